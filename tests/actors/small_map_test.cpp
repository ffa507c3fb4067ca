#include "actors/small_map.hpp"

#include "ops/random.hpp"

#include <doctest/doctest.h>

#include <map>
#include <vector>

using namespace troupe;

TEST_CASE("a small map has what a map has, in the same order") {
  random_stream draw({.seed = 5});
  small_map<int, int> small;
  std::map<int, int> large;
  for (int i = 0; i < 2000; ++i) {
    const int key = static_cast<int>(draw.below(20));
    switch (draw.below(4)) {
    case 0:
      CHECK(small.try_emplace(key, i).second == large.try_emplace(key, i).second);
      break;
    case 1:
      small[key] = large[key] = i;
      break;
    case 2:
      small.erase(key);
      large.erase(key);
      break;
    default:
      small.erase_below(key / 4);
      large.erase(large.begin(), large.lower_bound(key / 4));
    }
    REQUIRE(small.size() == large.size());
    CHECK(small.contains(key) == (large.count(key) > 0));
    auto at = large.begin();
    for (const auto& [k, value] : small) {
      CHECK(k == at->first);
      CHECK(value == at->second);
      ++at;
    }
  }
}
