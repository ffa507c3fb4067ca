// What a fuzz target is made of. libFuzzer calls LLVMFuzzerTestOneInput (preset `fuzz`); in other
// builds replay.cpp does, with the files of the corpus. A target ends the process when something
// is wrong.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace troupe::fuzz {

// Good inputs, to begin with.
std::vector<std::string> seeds();

inline void require(bool holds, const char* promise) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", promise);
  std::abort();
}

// What a call may take of the heap at a time: twice what it reads, and a little more.
std::size_t heap_in_use();
void begin_meter(std::size_t bytes_max); // aborts beyond it
void end_meter();

class meter {
public:
  explicit meter(std::size_t input_bytes) {
    begin_meter(heap_in_use() + 2 * input_bytes + (std::size_t{80} << 10));
  }

  meter(const meter&) = delete;
  meter& operator=(const meter&) = delete;

  ~meter() { end_meter(); }
};

// An input, from its beginning; after its end there are zeros.
class bytes {
public:
  bytes(const std::uint8_t* data, std::size_t size) : left_(data, size) {}

  [[nodiscard]] bool empty() const { return left_.empty(); }

  std::uint8_t byte() {
    if (left_.empty()) return 0;
    const std::uint8_t out = left_.front();
    left_ = left_.subspan(1);
    return out;
  }

  // A number that is small at most times.
  std::uint64_t number() {
    const std::uint8_t first = byte();
    if (first < 0xF0) return first;
    std::uint64_t out = 0;
    for (int i = 0; i < (first & 7) + 1; ++i)
      out = out << 8 | byte();
    return out;
  }

  std::vector<std::byte> take(std::size_t size) {
    const auto part = left_.first(std::min(size, left_.size()));
    left_ = left_.subspan(part.size());
    const auto as_bytes = std::as_bytes(part);
    return {as_bytes.begin(), as_bytes.end()};
  }

  std::vector<std::byte> rest() { return take(left_.size()); }

private:
  std::span<const std::uint8_t> left_;
};

inline std::string text_of(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

} // namespace troupe::fuzz
