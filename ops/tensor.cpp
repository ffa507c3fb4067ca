#include "ops/tensor.hpp"

#include "ops/assert.hpp"
#include "ops/shared_memory.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <mutex>
#include <new>
#include <unordered_map>
#include <vector>

namespace troupe {

shape::shape(std::initializer_list<std::int64_t> sizes)
    : shape(std::span<const std::int64_t>(sizes.begin(), sizes.size())) {}

shape::shape(std::span<const std::int64_t> sizes) : rank_(static_cast<int>(sizes.size())) {
  TROUPE_ASSERT(sizes.size() <= rank_max, "a shape has at most 5 axes");
  std::copy(sizes.begin(), sizes.end(), sizes_.begin());
}

std::int64_t shape::elements() const noexcept {
  std::int64_t out = 1;
  for (const auto size : *this)
    out *= size;
  return out;
}

shape shape::with_batch(std::int64_t n) const {
  shape out;
  TROUPE_ASSERT(rank_ < rank_max, "no room for a batch axis");
  out.rank_ = rank_ + 1;
  out.sizes_[0] = n;
  std::copy(begin(), end(), out.sizes_.begin() + 1);
  return out;
}

std::string shape::text() const {
  std::string out = "[";
  for (int i = 0; i < rank_; ++i)
    out += (i > 0 ? ", " : "") + std::to_string((*this)[i]);
  return out + "]";
}

namespace detail {

struct buffer {
  std::atomic<std::uint32_t> owners{1};
  std::size_t bytes = 0;
  float* data = nullptr;
  bool zeros = false;
  std::shared_ptr<buffer_pool::state> home; // null: of no pool
  std::shared_ptr<const void> owner;        // of floats that are not ours
};

} // namespace detail

namespace {

// Large buffers start at a huge page: fewer page faults and TLB misses.
std::size_t alignment_of(std::size_t bytes) {
  return bytes >= large_page_bytes ? large_page_bytes : 64;
}

std::size_t rounded_to(std::size_t alignment, std::size_t bytes) {
  return (bytes + alignment - 1) / alignment * alignment;
}

float* allocate(std::size_t bytes) {
  const std::size_t alignment = alignment_of(bytes);
  const std::size_t rounded = rounded_to(alignment, std::max<std::size_t>(bytes, 1));
  void* out = std::aligned_alloc(alignment, rounded);
  if (out == nullptr) throw std::bad_alloc();
  if (alignment == large_page_bytes)
    madvise(out, rounded, MADV_HUGEPAGE); // a hint: failure costs only speed
  return static_cast<float*>(out);
}

void destroy(detail::buffer* b) noexcept {
  if (!b->owner) std::free(b->data);
  delete b;
}

} // namespace

struct buffer_pool::state {
  std::mutex mutex;
  std::unordered_map<std::size_t, std::vector<detail::buffer*>> free; // by size in bytes
  std::atomic<std::uint64_t> allocations{0};
  bool closed = false;
  std::shared_ptr<shared_memory> shared; // none: buffers are of this process alone
  std::size_t shared_used = 0;           // never given back: what is free is recycled
  bool shared_is_full = false;
  std::size_t shared_pages = 0; // large ones, that are ready to be used
  pid_t shared_by = 0;

  // False: the pool is gone or has better ones, the caller destroys the buffer.
  bool give_back(detail::buffer* b) noexcept {
    const std::lock_guard lock(mutex);
    if (closed || (shared && !shared_is_full && b->owner != shared)) return false;
    free[b->bytes].push_back(b); // its list was made by take(), with room for it
    return true;
  }

  void forget_free() noexcept {
    for (auto& [bytes, list] : free)
      for (auto* b : list)
        destroy(b);
    free.clear();
  }

  // REQUIRES: the mutex.
  void find_room(detail::buffer* b) {
    if (!shared || shared_is_full) return;
    const std::size_t alignment = alignment_of(b->bytes);
    const std::size_t begin = rounded_to(alignment, shared_used);
    shared_is_full = begin + b->bytes > shared->bytes().size();
    if (shared_is_full) return;
    shared_used = begin + std::max<std::size_t>(b->bytes, 1);
    prepare_pages();
    b->data = reinterpret_cast<float*>(shared->bytes().data() + begin);
    b->owner = shared;
  }

  void prepare_pages() {
    const std::size_t wanted = rounded_to(large_page_bytes, shared_used) / large_page_bytes;
    const std::size_t all = shared->bytes().size() / large_page_bytes; // the last may be a part
    if (wanted <= shared_pages || wanted > all) return;
    shared->use_large_pages(shared_pages, wanted);
    shared_pages = wanted;
  }
};

namespace detail {

void retain(buffer* b) noexcept {
  if (b != nullptr) b->owners.fetch_add(1, std::memory_order_relaxed);
}

void release(buffer* b) noexcept {
  if (b == nullptr || b->owners.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  const auto home = std::move(b->home);
  if (!home || !home->give_back(b)) destroy(b);
}

float* data_of(buffer* b) noexcept {
  return b->data;
}

} // namespace detail

tensor::tensor(const shape& dims, std::shared_ptr<const void> owner, const float* data)
    : shape_(dims), buffer_(new detail::buffer) {
  TROUPE_ASSERT(owner && reinterpret_cast<std::uintptr_t>(data) % 64 == 0, "floats on a line");
  buffer_->bytes = static_cast<std::size_t>(dims.elements()) * sizeof(float);
  buffer_->data = const_cast<float*>(data); // a tensor never writes
  buffer_->owner = std::move(owner);
}

bool tensor::is_zeros() const noexcept {
  return buffer_ != nullptr && buffer_->zeros;
}

tensor tensor::flat_range(std::int64_t first, std::int64_t count) const {
  constexpr std::int64_t line_floats = 16;
  TROUPE_ASSERT(first >= 0 && count >= 0 && first + count <= elements() && first % line_floats == 0,
                "a range of the tensor");
  tensor out = *this;
  out.shape_ = {count};
  out.offset_ += first;
  return out;
}

tensor tensor::reshaped(const shape& dims) const {
  TROUPE_ASSERT(dims.elements() == elements(), "reshaped: " + shape_.text() + " to " + dims.text());
  tensor out = *this;
  out.shape_ = dims;
  return out;
}

buffer_pool::buffer_pool() : state_(std::make_shared<state>()) {}

buffer_pool::~buffer_pool() {
  const std::lock_guard lock(state_->mutex);
  state_->closed = true;
  state_->forget_free();
}

mutable_tensor buffer_pool::take(const shape& dims) {
  const std::size_t bytes = static_cast<std::size_t>(dims.elements()) * sizeof(float);
  {
    const std::lock_guard lock(state_->mutex);
    if (auto& list = state_->free[bytes]; !list.empty()) {
      auto* b = list.back();
      list.pop_back();
      b->owners.store(1, std::memory_order_relaxed);
      b->home = state_;
      return {dims, b};
    }
  }
  state_->allocations.fetch_add(1, std::memory_order_relaxed);
  auto* b = new detail::buffer;
  b->bytes = bytes;
  {
    const std::lock_guard lock(state_->mutex);
    state_->find_room(b);
  }
  if (b->data == nullptr) b->data = allocate(bytes);
  b->home = state_;
  return {dims, b};
}

std::shared_ptr<const shared_memory> buffer_pool::share() {
  return share(static_cast<std::size_t>(::sysconf(_SC_PHYS_PAGES)) *
               static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)));
}

std::shared_ptr<const shared_memory> buffer_pool::share(std::size_t bytes) {
  const std::lock_guard lock(state_->mutex);
  if (state_->shared_by == ::getpid()) return state_->shared; // a child has none of its parent's
  state_->shared_by = ::getpid();
  state_->shared = shared_memory::make(bytes, shared_memory::writers::this_process);
  state_->shared_used = state_->shared_pages = 0;
  state_->shared_is_full = false;
  if (state_->shared) state_->forget_free();
  return state_->shared;
}

std::uint64_t buffer_pool::allocations() const noexcept {
  return state_->allocations;
}

buffer_pool& buffer_pool::global() {
  static buffer_pool pool;
  return pool;
}

tensor make_tensor(const shape& dims, std::span<const float> values) {
  TROUPE_ASSERT(static_cast<std::size_t>(dims.elements()) == values.size(),
                "make_tensor: sizes differ");
  auto out = buffer_pool::global().take(dims);
  std::copy(values.begin(), values.end(), out.data());
  return std::move(out).freeze();
}

tensor zeros(const shape& dims) {
  auto* b = new detail::buffer;
  b->bytes = static_cast<std::size_t>(dims.elements()) * sizeof(float);
  b->data = allocate(b->bytes);
  b->zeros = true;
  std::fill_n(b->data, dims.elements(), 0.0F);
  return {dims, b};
}

} // namespace troupe
