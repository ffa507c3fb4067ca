// Which bug is planted in the sources that a test program has instead of the product's; see
// plant.py.
#pragma once

#include <set>
#include <string>
#include <string_view>

namespace troupe::test {

struct planting {
  std::string bug; // empty: none
  std::set<std::string, std::less<>>
      met; // bugs whose line a run has come by, while none is planted
};

planting& planting_of_this_program();

inline bool planted(std::string_view bug) {
  auto& p = planting_of_this_program();
  if (p.bug.empty() && !p.met.contains(bug)) p.met.emplace(bug);
  return p.bug == bug;
}

// All bugs, in the order of their files.
struct bug_entry {
  const char *name, *source, *what;

  // open: no world has shown it yet; unit: its tests do, and no world comes by
  enum rarity { common, rare, open, unit } how_rare;
};

extern const bug_entry bug_list[];
extern const int bug_count;

} // namespace troupe::test

namespace troupe {
using test::planted;
}
