#include "cli/restart_budget.hpp"

#include "cli/last_lines.hpp"
#include "support/scratch_folder.hpp"

#include <doctest/doctest.h>

namespace troupe::cli {

using namespace std::chrono_literals;

namespace {

const restart_budget::clock::time_point start{1h};

} // namespace

TEST_CASE("the first death of a node is answered at once, early ones again with a doubling wait") {
  restart_budget budget(1000);
  CHECK(budget.after_death(start, 10ms) == 0ns);
  for (const auto wait : {5ms, 10ms, 20ms, 40ms, 80ms, 160ms, 320ms, 640ms, 1280ms, 2560ms, 5120ms})
    CHECK(budget.after_death(start, 10ms) == wait);
  CHECK(budget.after_death(start, 10ms) == 10s);
  CHECK(budget.after_death(start, 999ms) == 10s);
  CHECK(budget.after_death(start, 1s) == 0ns); // it had begun to work
  CHECK(budget.after_death(start, 10ms) == 5ms);
}

TEST_CASE("a node that dies more often than its budget in ten minutes is given up") {
  restart_budget budget(3);
  for (int death = 0; death < 3; ++death)
    CHECK(budget.after_death(start + death * 1min, 1min));
  CHECK_FALSE(budget.after_death(start + 3min, 1min));
  restart_budget rare(3);
  for (int death = 0; death < 100; ++death)
    CHECK(rare.after_death(start + death * 200s, 200s));
  restart_budget none(0);
  CHECK_FALSE(none.after_death(start, 1h));
}

TEST_CASE("of a log are told its last ten lines, of the last life alone") {
  const test::scratch_folder folder;
  CHECK(last_lines(folder.file("none"), 0).empty());
  CHECK(last_lines(folder.write("empty", ""), 0).empty());
  CHECK(last_lines(folder.write("one", "why\n"), 0) == "why");
  CHECK(last_lines(folder.write("no end", "a\nb"), 0) == "a\nb");
  CHECK(last_lines(folder.write("two lives", "before\nafter\n"), 7) == "after");
  std::string many;
  for (int line = 1; line <= 20; ++line)
    many += std::to_string(line) + "\n";
  CHECK(last_lines(folder.write("many", many), 0) == "11\n12\n13\n14\n15\n16\n17\n18\n19\n20");
  CHECK(last_lines(folder.write("long", std::string(100'000, 'x') + "\n"), 0).size() == 4095);
}

} // namespace troupe::cli
