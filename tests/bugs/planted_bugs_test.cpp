// Whether the checks of simulated worlds find bugs: each planted one (tests/bugs/*.bugs) is run in
// drawn worlds until one of them shows it.
//   TROUPE_BUG_RARE=1        those, too, that need hundreds of worlds, or that nothing has shown
//   TROUPE_BUG_SEEDS=20000   how many worlds are drawn at most
//   TROUPE_BUG=stale-parameters   this bug alone, with the smallest world that shows it
//   TROUPE_BUG_TABLE=FILE    the page whose table is written, between its marks
#include "bugs/planted.hpp"
#include "ops/files/atomic_file.hpp"
#include "support/child_process.hpp"
#include "support/environment.hpp"
#include "support/shrinking.hpp"
#include "support/world_checks.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

// Instead of that of ops/assert.hpp, which ends the process: here it ends the actor.
namespace troupe::detail {

void assertion_failed(const char* expression, const char*, int, std::string_view message) {
  throw error({.what = fmt::format("assertion {}: {}", expression, message)});
}

} // namespace troupe::detail

using namespace troupe;
using namespace troupe::test;

namespace {

struct catch_of_bug {
  std::uint64_t seed = 0;
  int met = 0; // worlds that came by its line until then
  world_failure failure;
};

using catches = std::map<std::string, catch_of_bug, std::less<>>;

using bug_names = std::vector<std::string>;

// What a world shows with each of some bugs in it, which may crash it or never end.
std::vector<std::optional<world_failure>>
shown(const drawn_world& world, const reference_run& expected, const bug_names& bugs) {
  std::vector<std::optional<world_failure>> out;
  while (out.size() < bugs.size()) {
    const auto answers = in_child(60, [&](const auto& say) {
      for (auto i = out.size(); i < bugs.size(); ++i) {
        planting_of_this_program().bug = bugs[i];
        const auto failure = world_check(world, expected).play().failure;
        say(failure ? failure->kind + ": " + failure->text : "");
      }
    });
    for (const auto& line : answers.lines) {
      const auto colon = line.find(": ");
      out.push_back(line.empty() ? std::nullopt
                                 : std::optional<world_failure>(
                                       {line.substr(0, colon), line.substr(colon + 2)}));
    }
    if (out.size() < bugs.size())
      out.push_back(world_failure{answers.signal == SIGALRM ? "hang" : "crash", {}});
  }
  return out;
}

// Plays a world without any bug, and then with each of those whose lines it has come by and that
// are still to be caught: the others would change nothing.
class hunt {
public:
  explicit hunt(std::vector<const bug_entry*> bugs) : left_(std::move(bugs)) {}

  [[nodiscard]] bool ended() const { return left_.empty(); }

  // But for those that are open.
  [[nodiscard]] bool caught_all() const {
    return std::all_of(left_.begin(), left_.end(), [](const bug_entry* bug) {
      return bug->how_rare == bug_entry::open;
    });
  }

  [[nodiscard]] const catches& caught() const { return caught_; }

  [[nodiscard]] std::string left() const {
    std::string out;
    for (const auto* bug : left_)
      out += fmt::format("\n{}: {} ({} worlds came by)",
                         bug->name,
                         bug->what,
                         met_.contains(bug->name) ? met_.at(bug->name) : 0);
    return out;
  }

  void in_world(std::uint64_t seed) {
    const auto world = draw_world(seed);
    if (!world) return;
    const auto expected = reference_of(*world);
    if (!is_finite(expected)) return;
    auto& planting = planting_of_this_program();
    planting.met.clear();
    const auto calm = world_check(*world, expected).play();
    REQUIRE_MESSAGE(!calm.failure, seed);
    if (calm.diverged) return;
    bug_names bugs;
    for (const auto* bug : left_)
      if (planting.met.contains(bug->name)) bugs.emplace_back(bug->name);
    const auto failures = shown(*world, expected, bugs);
    for (std::size_t i = 0; i < bugs.size(); ++i) {
      const int met = ++met_[bugs[i]];
      if (failures[i]) caught_[bugs[i]] = {seed, met, *failures[i]};
    }
    std::erase_if(left_, [&](const bug_entry* bug) { return caught_.contains(bug->name); });
  }

private:
  std::vector<const bug_entry*> left_;
  std::map<std::string, int, std::less<>> met_;
  catches caught_;
};

std::vector<const bug_entry*> bugs_where(bool rare_too) {
  std::vector<const bug_entry*> out;
  for (int i = 0; i < bug_count; ++i)
    if (bug_list[i].how_rare != bug_entry::unit &&
        (rare_too || bug_list[i].how_rare == bug_entry::common))
      out.push_back(&bug_list[i]);
  return out;
}

std::string table_of(const catches& caught) {
  std::string out = "| bug | in | what it does | caught by | seeds | worlds that met it |\n"
                    "|---|---|---|---|---|---|\n";
  for (int i = 0; i < bug_count; ++i) {
    const auto& bug = bug_list[i];
    const auto found = caught.find(bug.name);
    if (found == caught.end()) {
      out += fmt::format("| {} | `{}` | {} | {} | | |\n",
                         bug.name,
                         bug.source,
                         bug.what,
                         bug.how_rare == bug_entry::unit ? "its tests" : "nothing yet");
      continue;
    }
    out += fmt::format("| {} | `{}` | {} | {} | {} | {} |\n",
                       bug.name,
                       bug.source,
                       bug.what,
                       found->second.failure.kind,
                       found->second.seed,
                       found->second.met);
  }
  return out;
}

// Between the marks of a page.
void write_table(const std::string& path, const catches& caught) {
  const std::string begin = "<!-- bugs:begin -->\n", end = "<!-- bugs:end -->";
  std::string page = read_file(path);
  const auto first = page.find(begin) + begin.size();
  page.replace(first, page.find(end) - first, table_of(caught));
  std::ofstream(path) << page;
}

// The seed in whose world the bug is caught.
void show(const bug_entry& bug, std::uint64_t seeds) {
  hunt one({&bug});
  for (std::uint64_t seed = 1; seed <= seeds && !one.ended(); ++seed)
    one.in_world(seed);
  REQUIRE_MESSAGE(one.ended(), one.left());
  const auto& found = one.caught().at(bug.name);
  const auto small = shrunk(*draw_world(found.seed), found.failure, {}, [&](const drawn_world& d) {
    const auto expected = reference_of(d);
    return is_finite(expected) ? shown(d, expected, {bug.name}).front() : std::nullopt;
  });
  MESSAGE(fmt::format("{}, seed {}, {}: {}\n{}\nin a smaller world, after {} tries: {}\n{}",
                      bug.name,
                      found.seed,
                      found.failure.kind,
                      found.failure.text,
                      test::text(*draw_world(found.seed)),
                      small.tries,
                      small.failure.text,
                      test::text(small.world)));
}

const bug_entry& bug_called(const std::string& name) {
  const auto* found = std::find_if(
      bug_list, bug_list + bug_count, [&](const bug_entry& b) { return b.name == name; });
  REQUIRE_MESSAGE(found != bug_list + bug_count, fmt::format("no bug is called {}", name));
  return *found;
}

} // namespace

TEST_CASE("planted bugs are caught by drawn worlds") {
  const bool rare_too = number_from_environment("TROUPE_BUG_RARE", 0) != 0;
  const auto seeds = number_from_environment("TROUPE_BUG_SEEDS", rare_too ? 3000 : 200);
  if (const char* name = std::getenv("TROUPE_BUG")) {
    show(bug_called(name), seeds);
    return;
  }
  hunt all(bugs_where(rare_too));
  for (std::uint64_t seed = 1; seed <= seeds && !all.ended(); ++seed)
    all.in_world(seed);
  MESSAGE(fmt::format("{} bugs caught", all.caught().size()));
  if (const char* path = std::getenv("TROUPE_BUG_TABLE")) write_table(path, all.caught());
  CHECK_MESSAGE(all.caught_all(), fmt::format("not caught:{}", all.left()));
}

TEST_CASE("planted bugs of what plays and keeps supervision are caught by its tests") {
  const auto self = std::filesystem::read_symlink("/proc/self/exe").string();
  const auto tests_pass = [&](const std::string& bug) {
    const auto line = fmt::format("TROUPE_PLANTED={} timeout 60 '{}' -sf='*supervis*_test.cpp,"
                                  "*down_ledger_test.cpp' >/dev/null 2>&1",
                                  bug,
                                  self);
    return std::system(line.c_str()) == 0;
  };
  REQUIRE(tests_pass("none"));
  int caught = 0;
  for (int i = 0; i < bug_count; ++i) {
    if (bug_list[i].how_rare != bug_entry::unit) continue;
    CAPTURE(bug_list[i].name);
    CHECK_FALSE(tests_pass(bug_list[i].name));
    ++caught;
  }
  CHECK(caught >= 10);
}

TEST_CASE("of eight faults and more the shrinker leaves what shows the bug") {
  const bug_names bug{"boundary-not-sent-again"};
  const world_judge judge = [&](const drawn_world& d) { return shown(d, reference_of(d), bug)[0]; };
  for (std::uint64_t seed = 1;; ++seed) {
    REQUIRE(seed < 500);
    const auto world = draw_world(seed);
    if (!world || world->disturbances() < 8 || world->options.stages < 2) continue;
    const auto failure = judge(*world);
    if (!failure) continue;
    const auto small = shrunk(*world, *failure, {.seconds = 60, .tries = 100}, judge);
    CAPTURE(seed);
    CAPTURE(test::text(small.world));
    CHECK(small.world.disturbances() <= 2);
    CHECK(small.world.job.steps <= world->job.steps);
    const auto again = judge(small.world);
    REQUIRE(again);
    CHECK(again->kind == failure->kind);
    return;
  }
}
