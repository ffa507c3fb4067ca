// One buffer for all activations and gradients of a program. Every value lives from the first to
// the last operation that touches it; values whose lives do not overlap share the same bytes. Small
// footprint is speed here: a gradient written where a dead activation lay finds warm cache lines.
#pragma once

#include <cstddef>
#include <vector>

namespace troupe::kernels {

struct lifetime {
  std::size_t bytes = 0;
  int first = 0;          // operation index, inclusive
  int last = 0;           // inclusive
  std::size_t offset = 0; // the result: multiple of 64
};

// Chooses offsets such that no two values that live at the same time overlap; returns the total
// size.
std::size_t plan_arena(std::vector<lifetime>& values);

// Zeroed memory, 2 MiB aligned and advised to be backed by huge pages when it is that large.
class aligned_buffer {
public:
  aligned_buffer() = default;
  explicit aligned_buffer(std::size_t bytes);
  aligned_buffer(aligned_buffer&& other) noexcept;
  aligned_buffer& operator=(aligned_buffer&& other) noexcept;
  ~aligned_buffer();

  [[nodiscard]] std::byte* data() const noexcept { return data_; }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }

private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

} // namespace troupe::kernels
