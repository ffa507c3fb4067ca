#include "ops/kernels/memory_space.hpp"

#include "ops/assert.hpp"
#include "ops/kernels/arena.hpp"

#include <algorithm>

namespace troupe::kernels {

namespace {

class host_memory final : public memory_space {
public:
  [[nodiscard]] bool holds_tensors() const override { return true; }

  std::shared_ptr<std::byte> allocate(std::size_t bytes) override {
    const auto buffer = std::make_shared<aligned_buffer>(bytes);
    return {buffer, buffer->data()};
  }

  void upload(float* to, const float* from, std::int64_t floats) override {
    std::copy_n(from, floats, to);
  }

  void download(float* to, const float* from, std::int64_t floats) override {
    std::copy_n(from, floats, to);
  }
};

} // namespace

std::shared_ptr<memory_space> cpu_memory() {
  static const auto space = std::make_shared<host_memory>();
  return space;
}

mirror::mirror(std::shared_ptr<memory_space> space, std::int64_t floats)
    : space_(std::move(space)), floats_(floats) {
  if (!space_->holds_tensors())
    place_ = space_->allocate(static_cast<std::size_t>(floats) * sizeof(float));
}

float* mirror::show(const tensor& value) {
  TROUPE_ASSERT(value.elements() == floats_, "a tensor of this size");
  if (!place_) return const_cast<float*>(value.data()); // oneDNN has no read-only memory
  auto* const out = reinterpret_cast<float*>(place_.get());
  space_->upload(out, value.data(), floats_);
  return out;
}

float* mirror::take(mutable_tensor& into) {
  TROUPE_ASSERT(into.elements() == floats_, "a tensor of this size");
  return place_ ? reinterpret_cast<float*>(place_.get()) : into.data();
}

void mirror::finish(mutable_tensor& into) {
  if (place_) space_->download(into.data(), reinterpret_cast<float*>(place_.get()), floats_);
}

} // namespace troupe::kernels
