#include "actors/fault.hpp"

#include "support/error_of.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace troupe;
using namespace troupe::test;

namespace {

std::vector<fault> parsed(const std::string& said) {
  const auto blank = said.find(' ');
  return parse_faults(said.substr(0, blank), said.substr(blank + 1), "storm.toml:3:1");
}

} // namespace

TEST_CASE("what is printed of a fault is read back") {
  for (const char* said : {"kill layer_shard/1/0",
                           "kill any",
                           "kill node 3",
                           "leave 3",
                           "join 3",
                           "pause 1",
                           "resume 1",
                           "slow 0 x2.5",
                           "slow layer_shard/1/0 x3",
                           "cut 0->1",
                           "heal 0->1",
                           "cut node 3",
                           "heal rack 2",
                           "drop 0->1",
                           "drop 2->1 x7",
                           "corrupt 0->1 x2",
                           "fill-disk 0",
                           "empty-disk 0"}) {
    CAPTURE(said);
    const auto all = parsed(said);
    REQUIRE(all.size() == 1);
    CHECK(text(all.front()) == said);
  }
}

TEST_CASE("a fault of both directions of a link is two") {
  const auto all = parsed("cut 0-1");
  REQUIRE(all.size() == 2);
  CHECK(text(all[0]) == "cut 0->1");
  CHECK(text(all[1]) == "cut 1->0");
}

TEST_CASE("a fault that is not understood is told with what its verb happens to") {
  CHECK_ERROR(parsed("kil 3"), "'kil' is nothing that happens\n  --> storm.toml:3:1");
  CHECK_ERROR(parsed("kil 3"), "did you mean 'kill'?");
  CHECK_ERROR(parsed("kill layer_shart/1"), "did you mean 'layer_shard'?");
  CHECK_ERROR(parsed("slow 0"), "slow NODE xFACTOR or ROLE xFACTOR");
  CHECK_ERROR(parsed("pause layer_shard/1"), "'pause layer_shard/1' is not understood");
  CHECK_ERROR(parsed("drop 0->1 x0"), "'drop 0->1 x0' is not understood");
  CHECK_ERROR(parsed("drop 0->1 x1.5"), "is not understood");
  CHECK_ERROR(parsed("cut 0"), "A->B, A-B, node N or rack N");
  CHECK_ERROR(parsed("fill-disk home"), "is not understood");
}
