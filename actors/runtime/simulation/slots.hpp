// Things that come and go by the million: each has a number while it is there and never moves.
// Places that were left are taken again, the last one first: as a rule it is still in the cache.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace troupe::simulation {

template <class T>
class slots {
public:
  using number = std::uint32_t;

  number add(T value) {
    const number n = take_place();
    (*this)[n] = std::move(value);
    return n;
  }

  T& operator[](number n) { return chunks_[n / chunk][n % chunk]; }

  const T& operator[](number n) const { return chunks_[n / chunk][n % chunk]; }

  // What lies there stays until the place is taken again.
  void remove(number n) { free_.push_back(n); }

  // Of all that are there, in the order of their places.
  template <class Do>
  void for_each(const Do& what) const {
    std::vector<bool> gone(count_, false);
    for (const number n : free_)
      gone[n] = true;
    for (number n = 0; n < count_; ++n)
      if (!gone[n]) what((*this)[n]);
  }

  void clear() {
    chunks_.clear();
    free_.clear();
    count_ = 0;
  }

private:
  static constexpr number chunk = 256;

  number take_place() {
    if (free_.empty()) {
      if (count_ % chunk == 0) chunks_.push_back(std::make_unique<T[]>(chunk));
      return count_++;
    }
    const number n = free_.back();
    free_.pop_back();
    return n;
  }

  std::vector<std::unique_ptr<T[]>> chunks_;
  std::vector<number> free_;
  number count_ = 0; // of the places that were ever taken
};

} // namespace troupe::simulation
