#include "ops/kernels/arena.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <numeric>
#include <utility>

namespace troupe::kernels {

namespace {

constexpr std::size_t line_bytes = 64;
constexpr std::size_t huge_page_bytes = std::size_t{2} << 20;

std::size_t rounded_up(std::size_t bytes, std::size_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

bool live_together(const lifetime& a, const lifetime& b) {
  return a.first <= b.last && b.first <= a.last;
}

} // namespace

// "Greedy by size" of Pisarchyk & Lee, "Efficient memory management for deep neural net inference",
// MLSys 2020, section 5.2: place the largest values first, each in the lowest gap that fits.
std::size_t plan_arena(std::vector<lifetime>& values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return values[a].bytes > values[b].bytes;
  });
  std::vector<std::size_t> placed; // sorted by offset
  std::size_t total = 0;
  for (std::size_t index : order) {
    lifetime& value = values[index];
    const std::size_t bytes = rounded_up(value.bytes, line_bytes);
    std::size_t offset = 0;
    for (std::size_t other_index : placed) {
      const lifetime& other = values[other_index];
      if (!live_together(value, other)) continue;
      if (offset + bytes <= other.offset) break;
      offset = std::max(offset, other.offset + rounded_up(other.bytes, line_bytes));
    }
    value.offset = offset;
    total = std::max(total, offset + bytes);
    auto by_offset = [&](std::size_t a, std::size_t b) {
      return values[a].offset < values[b].offset;
    };
    placed.insert(std::upper_bound(placed.begin(), placed.end(), index, by_offset), index);
  }
  return total;
}

aligned_buffer::aligned_buffer(std::size_t bytes) {
  const bool huge = bytes >= huge_page_bytes;
  const std::size_t alignment = huge ? huge_page_bytes : line_bytes;
  size_ = rounded_up(std::max(bytes, line_bytes), alignment);
  data_ = static_cast<std::byte*>(std::aligned_alloc(alignment, size_));
  if (data_ == nullptr) throw std::bad_alloc();
  if (huge)
    ::madvise(data_, size_, MADV_HUGEPAGE); // advice: a kernel without huge pages may refuse
  std::memset(data_, 0, size_);             // page faults happen here and not in the first step
}

aligned_buffer::aligned_buffer(aligned_buffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

aligned_buffer& aligned_buffer::operator=(aligned_buffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

aligned_buffer::~aligned_buffer() {
  std::free(data_);
}

} // namespace troupe::kernels
