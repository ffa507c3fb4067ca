// What property tests draw with: a function of the seed alone, the same on every machine.
#pragma once

#include "ops/random.hpp"

#include <cstddef>
#include <cstdint>
#include <initializer_list>

namespace troupe::test {

class chance {
public:
  explicit chance(std::uint64_t seed) : draw_({seed, random_purpose::test}) {}

  int between(int first, int last) { // both included
    return first + static_cast<int>(draw_.below(static_cast<std::uint32_t>(last - first + 1)));
  }

  std::size_t below(std::size_t end) { return draw_.below(static_cast<std::uint32_t>(end)); }

  bool percent(int p) { return between(0, 99) < p; }

  template <class T>
  T one_of(std::initializer_list<T> choices) {
    return choices.begin()[draw_.below(static_cast<std::uint32_t>(choices.size()))];
  }

private:
  random_stream draw_;
};

} // namespace troupe::test
