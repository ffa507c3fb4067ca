#include "actors/fault_point.hpp"

#include "support/error_of.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace troupe::test;

namespace {

fault_point parsed(const std::string& text) {
  return parse_fault_point(text, "--kill " + text);
}

const address shard{.role = role_kind::layer_shard, .replica = 1};

} // namespace

TEST_CASE("a fault point names who, the step, the message and the call") {
  CHECK(parsed("layer_shard/1@step=30") == fault_point{shard, 30, 1});
  CHECK(parsed("layer_shard/1/0@step=30,message=4") == fault_point{shard, 30, 4});
  CHECK(parsed("layer_shard/1@step=30,message=4,call=2") == fault_point{shard, 30, 4, 2});
  CHECK(parsed("layer_shard/1@call=0,step=3") == fault_point{shard, 3, 1, 0});
  CHECK(parsed("layer_shard/1@message=12") == fault_point{shard, fault_point::any_step, 12});
}

TEST_CASE("what is printed of a fault point is read back") {
  for (const auto& p : {fault_point{shard, 30, 4},
                        fault_point{shard, 0, 1, 0},
                        fault_point{shard, fault_point::any_step, 7, 3}})
    CHECK(parsed(text(p)) == p);
}

TEST_CASE("a fault point that is not understood is told with a cure") {
  CHECK_ERROR(parsed("layer_shard"), "a fault point names who and when\n  --> --kill layer_shard");
  CHECK_ERROR(parsed("layer_shard@stp=3"), "help: did you mean 'step'?");
  CHECK_ERROR(parsed("layer_shard@step=x"), "step 'x' is not a number");
  CHECK_ERROR(parsed("layer_shard@step=3,message=0"), "message is a whole number, 1 to");
  CHECK_ERROR(parsed("layer_shard@step=99999999999"), "step '99999999999' is not a number");
  CHECK_ERROR(parsed("layer_shard@step="), "step '' is not a number");
  CHECK_ERROR(parsed("layer_shard@call=2"), "says in which step, or at which message");
  CHECK_ERROR(parsed("layer_shart@step=3"), "did you mean 'layer_shard'?");
  CHECK_ERROR(parsed("layer_shart@step=3"), "--> --kill layer_shart@step=3");
}
