// float32 tensors. A `tensor` is an immutable, reference-counted handle (copying it copies no
// data); a `mutable_tensor` is the one writer of a fresh buffer and becomes a tensor by freeze().
// Buffers are 64-byte aligned and come from a `buffer_pool`, which gets them back when the last
// handle goes: after the first steps of a job no buffer is allocated. Everything here is
// thread-safe except a single handle that two threads use at once.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <utility>

namespace troupe {

// Sizes per axis, outermost first, at most `rank_max` axes. Images are [n, channels, height,
// width].
class shape {
public:
  static constexpr int rank_max = 5;

  shape() = default;
  shape(std::initializer_list<std::int64_t> sizes);
  explicit shape(std::span<const std::int64_t> sizes);

  [[nodiscard]] int rank() const noexcept { return rank_; }

  std::int64_t operator[](int axis) const noexcept {
    return sizes_[static_cast<std::size_t>(axis)];
  }

  std::int64_t& operator[](int axis) noexcept { return sizes_[static_cast<std::size_t>(axis)]; }

  [[nodiscard]] std::int64_t elements() const noexcept; // product of the sizes; 1 for rank 0

  [[nodiscard]] const std::int64_t* begin() const noexcept { return sizes_.data(); }

  [[nodiscard]] const std::int64_t* end() const noexcept { return sizes_.data() + rank_; }

  [[nodiscard]] shape with_batch(std::int64_t n) const; // [n, *this]
  [[nodiscard]] std::string text() const;               // "[64, 32, 28, 28]"

  friend bool operator==(const shape&, const shape&) = default;

private:
  std::array<std::int64_t, rank_max> sizes_{};
  int rank_ = 0;
};

class buffer_pool;
class shared_memory;

namespace detail {
struct buffer; // reference count, size, home pool, data
void retain(buffer*) noexcept;
void release(buffer*) noexcept;
float* data_of(buffer*) noexcept;
} // namespace detail

class tensor {
public:
  tensor() = default;

  // Floats that somebody else keeps alive, e.g. what has come over a link. REQUIRES: `data` lies on
  // a line of 64 bytes and never changes.
  tensor(const shape& dims, std::shared_ptr<const void> owner, const float* data);

  tensor(const tensor& other) noexcept
      : shape_(other.shape_), buffer_(other.buffer_), offset_(other.offset_) {
    detail::retain(buffer_);
  }

  tensor(tensor&& other) noexcept
      : shape_(other.shape_),
        buffer_(std::exchange(other.buffer_, nullptr)),
        offset_(other.offset_) {}

  tensor& operator=(tensor other) noexcept {
    std::swap(shape_, other.shape_);
    std::swap(buffer_, other.buffer_);
    std::swap(offset_, other.offset_);
    return *this;
  }

  ~tensor() { detail::release(buffer_); }

  explicit operator bool() const noexcept { return buffer_ != nullptr; }

  [[nodiscard]] const shape& dims() const noexcept { return shape_; }

  [[nodiscard]] std::int64_t elements() const noexcept { return buffer_ ? shape_.elements() : 0; }

  [[nodiscard]] std::size_t bytes() const noexcept {
    return static_cast<std::size_t>(elements()) * sizeof(float);
  }

  [[nodiscard]] const float* data() const noexcept {
    return buffer_ ? detail::data_of(buffer_) + offset_ : nullptr;
  }

  [[nodiscard]] std::span<const float> values() const noexcept {
    return {data(), static_cast<std::size_t>(elements())};
  }

  // Whether it was made by zeros(): known without a look at them.
  [[nodiscard]] bool is_zeros() const noexcept;

  // The same data seen under another shape. REQUIRES: equal element counts.
  [[nodiscard]] tensor reshaped(const shape& dims) const;

  // Elements [first, first + count) of the flat data, shared. REQUIRES: they exist; `first` is a
  // multiple of 16, so that the data stay aligned.
  [[nodiscard]] tensor flat_range(std::int64_t first, std::int64_t count) const;

private:
  friend class mutable_tensor;
  friend tensor zeros(const shape& dims);

  tensor(const shape& dims, detail::buffer* owned) noexcept : shape_(dims), buffer_(owned) {}

  shape shape_;
  detail::buffer* buffer_ = nullptr;
  std::int64_t offset_ = 0; // floats
};

class mutable_tensor {
public:
  mutable_tensor() = default;

  mutable_tensor(mutable_tensor&& other) noexcept
      : shape_(other.shape_), buffer_(std::exchange(other.buffer_, nullptr)) {}

  mutable_tensor& operator=(mutable_tensor&& other) noexcept {
    std::swap(shape_, other.shape_);
    std::swap(buffer_, other.buffer_);
    return *this;
  }

  ~mutable_tensor() { detail::release(buffer_); }

  explicit operator bool() const noexcept { return buffer_ != nullptr; }

  [[nodiscard]] const shape& dims() const noexcept { return shape_; }

  [[nodiscard]] std::int64_t elements() const noexcept { return buffer_ ? shape_.elements() : 0; }

  float* data() noexcept { return buffer_ ? detail::data_of(buffer_) : nullptr; }

  std::span<float> values() noexcept { return {data(), static_cast<std::size_t>(elements())}; }

  tensor freeze() && noexcept { return tensor(shape_, std::exchange(buffer_, nullptr)); }

private:
  friend class buffer_pool;

  mutable_tensor(const shape& dims, detail::buffer* owned) noexcept
      : shape_(dims), buffer_(owned) {}

  shape shape_;
  detail::buffer* buffer_ = nullptr;
};

// Recycles buffers by exact size. Handles may outlive the pool.
class buffer_pool {
public:
  buffer_pool();
  ~buffer_pool();
  buffer_pool(const buffer_pool&) = delete;
  buffer_pool& operator=(const buffer_pool&) = delete;

  // Contents are unspecified (a recycled buffer holds old data).
  mutable_tensor take(const shape& dims);

  // From now on new buffers lie in memory that other processes can map, while it lasts. Null where
  // the system has none to give. Each process has its own, made by the first call.
  std::shared_ptr<const shared_memory> share(); // as much as the machine has
  std::shared_ptr<const shared_memory> share(std::size_t bytes);

  // Buffers allocated so far, i.e. not served by recycling. Constant on the steady path of a job.
  [[nodiscard]] std::uint64_t allocations() const noexcept;

  static buffer_pool& global();

  struct state;

private:
  std::shared_ptr<state> state_;
};

tensor make_tensor(const shape& dims,
                   std::span<const float> values); // copies; from the global pool

// What has a size and no meaning, in simulations without mathematics. A sum with it is the other
// one, so a thousand of them cost the memory and the time of one.
tensor zeros(const shape& dims);

} // namespace troupe
