#include "ops/learning_rate.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <fstream>
#include <vector>

using namespace troupe;
using nlohmann::json;
using shape_kind = learning_rate::shape_kind;

namespace {

void check_schedule(const learning_rate& rate, const char* name) {
  std::ifstream file(TROUPE_TEST_DATA "/core_reference.json");
  const std::vector<double> expected = json::parse(file)["schedules"][name];
  REQUIRE(expected.size() == 20);
  for (std::size_t step = 0; step < expected.size(); ++step) {
    CAPTURE(step);
    CHECK(rate.at(static_cast<std::int64_t>(step), 20) ==
          doctest::Approx(expected[step]).epsilon(1e-6));
  }
}

} // namespace

TEST_CASE("cosine is PyTorch's CosineAnnealingLR") {
  check_schedule({.base = 0.05F, .kind = shape_kind::cosine}, "cosine");
  check_schedule({.base = 0.05F, .kind = shape_kind::cosine, .final_fraction = 0.1F},
                 "cosine_to_a_tenth");
}

TEST_CASE("step is PyTorch's MultiStepLR") {
  check_schedule({.base = 0.05F, .kind = shape_kind::step, .milestones = {4, 9, 15}, .gamma = 0.5F},
                 "multi_step");
}

TEST_CASE("a constant rate stays what it is") {
  const learning_rate rate{.base = 0.3F};
  CHECK(rate.at(0, 10) == 0.3F);
  CHECK(rate.at(9, 10) == 0.3F);
}

TEST_CASE("warm-up rises in equal steps to the base, and the schedule starts after it") {
  learning_rate rate{.base = 0.4F, .kind = shape_kind::cosine, .warmup_steps = 4};
  for (std::int64_t step = 0; step < 4; ++step)
    CHECK(rate.at(step, 24) == doctest::Approx(0.1 * static_cast<double>(step + 1)));
  const learning_rate cold{.base = 0.4F, .kind = shape_kind::cosine};
  for (std::int64_t step = 0; step < 20; ++step)
    CHECK(rate.at(step + 4, 24) == cold.at(step, 20));
  rate = {.base = 0.4F, .kind = shape_kind::step, .milestones = {6}, .warmup_steps = 4};
  CHECK(rate.at(5, 24) == 0.4F);
  CHECK(rate.at(6, 24) == doctest::Approx(0.04));
}

TEST_CASE("a rate describes itself in the words of its options") {
  CHECK(learning_rate{.base = 0.05F, .kind = shape_kind::cosine, .warmup_steps = 200}.text() ==
        "0.05 cosine, 200 steps of warm-up");
  CHECK(learning_rate{.base = 0.1F, .kind = shape_kind::step, .milestones = {10, 20}}.text() ==
        "0.1 x 0.1 at steps 10, 20");
}
