// Descriptors that somebody waits for, by a number of theirs.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <vector>

namespace troupe::net {

class poll_set {
public:
  poll_set();
  ~poll_set();
  poll_set(const poll_set&) = delete;
  poll_set& operator=(const poll_set&) = delete;

  void add(int descriptor, std::uint64_t number) const;
  void remove(int descriptor) const; // before it is closed

  // Until one is readable, or so long. Their numbers, until the next wait().
  std::span<const std::uint64_t> wait(std::chrono::milliseconds longest);

  [[nodiscard]] int descriptor() const { return set_; } // readable while one of them is

private:
  int set_;
  std::vector<std::uint64_t> readable_;
};

} // namespace troupe::net
