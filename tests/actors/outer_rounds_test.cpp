#include "actors/outer_rounds.hpp"

#include <doctest/doctest.h>

#include <vector>

using namespace troupe;

TEST_CASE("rounds begin with each epoch, and end with it and with the job") {
  const outer_rounds r{.every = 3, .steps_per_epoch = 5, .last_step = 9};
  const std::vector<std::uint64_t> ends = {3, 3, 3, 5, 5, 8, 8, 8, 9};
  const std::vector<std::uint64_t> begins = {0, 0, 0, 3, 3, 5, 5, 5, 8, 9};
  for (std::uint64_t step = 0; step < 9; ++step) {
    CAPTURE(step);
    CHECK(r.end_of(step) == ends[step]);
    CHECK(r.ends_with(step) == (ends[step] == step + 1));
  }
  for (std::uint64_t step = 0; step <= 9; ++step) {
    CAPTURE(step);
    CHECK(r.begin_of(step) == begins[step]);
  }
  CHECK(r.count_to(0) == 0);
  CHECK(r.count_to(3) == 1);
  CHECK(r.count_to(5) == 2);
  CHECK(r.count_to(8) == 3);
}

TEST_CASE("a round is a step where nothing else is said") {
  const outer_rounds r;
  for (const std::uint64_t step : {0U, 1U, 77U}) {
    CHECK(r.end_of(step) == step + 1);
    CHECK(r.begin_of(step) == step);
    CHECK(r.count_to(step) == step);
  }
}
