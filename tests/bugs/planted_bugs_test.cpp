// Whether the checks of simulated worlds find bugs: each planted one (tests/bugs/*.bugs) is run in
// drawn worlds until one of them shows it, in schedules of kills, at any moment and aimed at fault
// points, and then in those where one message meets one fault.
//   TROUPE_BUG_RARE=1        those, too, that need hundreds of worlds, or that nothing has shown
//   TROUPE_BUG_OPEN=1        those alone that nothing has shown
//   TROUPE_BUG_SEEDS=20000   how many worlds are drawn at most
//   TROUPE_BUG_SCHEDULES=9000   how many schedules of kills
//   TROUPE_BUG_AIMED=9000    how many of kills at fault points, each near the one before
//   TROUPE_BUG_MESSAGES=4    how many messages of each kind and job meet each fault (0: all)
//   TROUPE_BUG=stale-parameters   this bug alone, with the smallest world that shows it
//   TROUPE_BUG_TABLE=FILE    the page whose table is written, between its marks
#include "bugs/planted.hpp"
#include "ops/files/atomic_file.hpp"
#include "support/child_process.hpp"
#include "support/environment.hpp"
#include "support/kill_schedules.hpp"
#include "support/message_cases.hpp"
#include "support/shrinking.hpp"
#include "support/world_checks.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
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

struct judged_world {
  drawn_world world;
  reference_run expected;
};

// One in which bugs are looked for. It is made where it is played: what a process keeps of the many
// that it has played makes each copy of it slower.
struct candidate {
  std::string name;                                  // "world 25"
  std::function<std::optional<judged_world>()> make; // none: nothing can be said about it
};

std::optional<judged_world> with_reference(std::optional<drawn_world> world) {
  if (!world) return {};
  auto expected = reference_of(*world);
  if (!is_finite(expected)) return {};
  return judged_world{std::move(*world), std::move(expected)};
}

candidate world_number(std::uint64_t seed) {
  return {fmt::format("world {}", seed), [seed] { return with_reference(draw_world(seed)); }};
}

// Where each message of small jobs meets each fault.
std::vector<candidate> message_candidates(std::uint64_t many) {
  std::vector<candidate> out;
  for (const auto& j : message_jobs()) {
    const auto expected = std::make_shared<const reference_run>(reference_of(j.world));
    each_message_case(j, listen(j.world), many, [&](const std::string& name, const drawn_world& d) {
      out.push_back({name, [d, expected] { return judged_world{d, *expected}; }});
    });
  }
  return out;
}

std::vector<candidate>
schedule_candidates(std::uint64_t seeds,
                    std::string_view kind,
                    drawn_world (*schedule)(const subject&, chance&, std::uint64_t)) {
  const auto jobs = std::make_shared<const std::vector<subject>>(subjects());
  std::vector<candidate> out;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed)
    out.push_back({fmt::format("{} {}", kind, seed), [jobs, seed, schedule] {
                     chance c(seed);
                     const auto& s = (*jobs)[c.below(jobs->size())];
                     return judged_world{schedule(s, c, seed), s.expected};
                   }});
  return out;
}

struct catch_of_bug {
  candidate where;
  int met = 0; // worlds that came by its line until then
  world_failure failure;
};

using catches = std::map<std::string, catch_of_bug, std::less<>>;

using bug_names = std::vector<std::string>;

// Plays a world without any bug, and then with each of those whose lines it has come by: the others
// would change nothing. Of each it says a line as it begins, and what it shows. In a child: a bug
// may crash it, or never end.
void play_with_bugs(const candidate& c, const bug_names& bugs, const auto& say) {
  const auto made = c.make();
  if (!made) return;
  auto& planting = planting_of_this_program();
  planting = {};
  const auto shown = [&] { return world_check(made->world, made->expected).play(); };
  const auto calm = shown();
  if (calm.failure) say("without a bug: " + calm.failure->text);
  if (calm.failure || calm.diverged) return;
  const auto met = planting.met;
  for (const auto& bug : bugs) {
    if (!met.contains(bug)) continue;
    say(bug);
    planting.bug = bug;
    const auto failure = shown().failure;
    say(failure ? failure->kind + ": " + failure->text : "");
  }
}

struct shown_bug {
  std::string bug;
  std::optional<world_failure> failure;
};

// What such a child said: a bug that ended it is the last one.
std::vector<shown_bug> shown_in(const candidate& c, const child_answers& answers) {
  const auto& lines = answers.lines;
  const std::string first = lines.empty() ? "" : lines.front();
  REQUIRE_MESSAGE(!first.starts_with("without a bug: "), c.name << ' ' << first);
  REQUIRE_MESSAGE((!lines.empty() || answers.signal == 0), c.name << ": a crash without a bug");
  std::vector<shown_bug> out;
  for (std::size_t i = 0; i < lines.size(); i += 2) {
    out.push_back({lines[i], {}});
    auto& failure = out.back().failure;
    if (i + 1 == lines.size())
      failure = world_failure{answers.signal == SIGALRM ? "hang" : "crash", {}};
    else if (const auto colon = lines[i + 1].find(": "); colon != std::string::npos)
      failure = world_failure{lines[i + 1].substr(0, colon), lines[i + 1].substr(colon + 2)};
  }
  return out;
}

child begin(const candidate& c, const bug_names& bugs) {
  return start_child(60, [&](const auto& say) { play_with_bugs(c, bugs, say); });
}

std::optional<world_failure> shown_with(const std::string& bug, const drawn_world& d) {
  const candidate c{"a world", [&] { return with_reference(d); }};
  const auto shown = shown_in(c, answers_of(begin(c, {bug})));
  return shown.empty() ? std::nullopt : shown.front().failure;
}

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

  void in_drawn_worlds(std::uint64_t first, std::uint64_t last) {
    std::vector<candidate> all;
    for (auto seed = first; seed <= last; ++seed)
      all.push_back(world_number(seed));
    in_worlds(all);
  }

  // As many at a time as there are cores.
  void in_worlds(const std::vector<candidate>& all) {
    const std::size_t cores = std::max(1U, std::thread::hardware_concurrency());
    for (std::size_t first = 0; first < all.size() && !ended(); first += cores) {
      const std::span batch(all.data() + first, std::min(cores, all.size() - first));
      bug_names bugs;
      for (const auto* bug : left_)
        if (met_[bug->name] < met_max) bugs.emplace_back(bug->name);
      std::vector<child> children;
      for (const candidate& c : batch)
        children.push_back(begin(c, bugs));
      for (std::size_t i = 0; i < batch.size(); ++i)
        hear(batch[i], children[i], bugs);
    }
  }

private:
  // Of worlds that came by and did not show it; more of them would take the time of the others.
  static constexpr int met_max = 3000;

  // Another child goes on after a bug that ended one.
  void hear(const candidate& c, child from, bug_names bugs) {
    for (;;) {
      const auto answers = answers_of(from);
      const auto shown = shown_in(c, answers);
      for (const auto& s : shown)
        note(c, s);
      if (answers.signal == 0) break;
      const auto last = std::find(bugs.begin(), bugs.end(), shown.back().bug);
      bugs.erase(bugs.begin(), last + 1);
      from = begin(c, bugs);
    }
    std::erase_if(left_, [&](const bug_entry* bug) { return caught_.contains(bug->name); });
  }

  void note(const candidate& c, const shown_bug& s) {
    if (caught_.contains(s.bug)) return; // in another world of its batch
    const int met = ++met_[s.bug];
    if (!s.failure) return;
    caught_[s.bug] = {c, met, *s.failure};
    std::fprintf(stderr, "%s: %s: %s\n", s.bug.c_str(), c.name.c_str(), s.failure->kind.c_str());
  }

  std::vector<const bug_entry*> left_;
  std::map<std::string, int, std::less<>> met_;
  catches caught_;
};

std::vector<const bug_entry*> bugs_where(auto&& is_wanted) {
  std::vector<const bug_entry*> out;
  for (int i = 0; i < bug_count; ++i)
    if (is_wanted(bug_list[i].how_rare)) out.push_back(&bug_list[i]);
  return out;
}

std::string table_of(const catches& caught) {
  std::string out = "| bug | in | what it does | caught by | where | worlds that met it |\n"
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
                       found->second.where.name,
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

struct hunting_ground {
  std::uint64_t seeds;
  bool drawn_worlds_alone;
  std::uint64_t schedules, aimed, messages;
};

// Most are caught where kills are aimed, and cost less there.
void search(hunt& h, const hunting_ground& in) {
  const auto quick = std::min<std::uint64_t>(in.seeds, 200);
  h.in_drawn_worlds(1, quick);
  if (in.drawn_worlds_alone) return;
  if (!h.ended()) h.in_worlds(schedule_candidates(in.aimed, "aimed", aimed_schedule_of));
  h.in_drawn_worlds(quick + 1, in.seeds);
  if (!h.ended()) h.in_worlds(schedule_candidates(in.schedules, "schedule", schedule_of));
  if (!h.ended()) h.in_worlds(message_candidates(in.messages));
}

// The world in which the bug is caught, and a smaller one.
void show(const bug_entry& bug, const hunting_ground& in) {
  hunt one({&bug});
  search(one, in);
  REQUIRE_MESSAGE(one.ended(), one.left());
  const auto& found = one.caught().at(bug.name);
  const auto world = found.where.make()->world;
  const auto small = shrunk(
      world, found.failure, {}, [&](const drawn_world& d) { return shown_with(bug.name, d); });
  MESSAGE(fmt::format("{}, {}, {}: {}\n{}\nin a smaller world, after {} tries: {}\n{}",
                      bug.name,
                      found.where.name,
                      found.failure.kind,
                      found.failure.text,
                      test::text(world),
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
  const bool open = number_from_environment("TROUPE_BUG_OPEN", 0) != 0;
  const bool rare_too = open || number_from_environment("TROUPE_BUG_RARE", 0) != 0;
  const char* name = std::getenv("TROUPE_BUG");
  const hunting_ground in{.seeds =
                              number_from_environment("TROUPE_BUG_SEEDS", rare_too ? 1200 : 200),
                          .drawn_worlds_alone = !rare_too && name == nullptr,
                          .schedules = number_from_environment("TROUPE_BUG_SCHEDULES", 6000),
                          .aimed = number_from_environment("TROUPE_BUG_AIMED", 4000),
                          .messages = number_from_environment("TROUPE_BUG_MESSAGES", 2)};
  if (name != nullptr) {
    show(bug_called(name), in);
    return;
  }
  hunt all(bugs_where([&](bug_entry::rarity how_rare) {
    if (open) return how_rare == bug_entry::open;
    return how_rare == bug_entry::common || (rare_too && how_rare != bug_entry::unit);
  }));
  search(all, in);
  MESSAGE(fmt::format("{} bugs caught", all.caught().size()));
  if (const char* path = std::getenv("TROUPE_BUG_TABLE")) write_table(path, all.caught());
  CHECK_MESSAGE(all.caught_all(), fmt::format("not caught:{}", all.left()));
}

TEST_CASE("planted bugs that no world comes by are caught by tests of their sources") {
  const auto self = std::filesystem::read_symlink("/proc/self/exe").string();
  const auto tests_pass = [&](const std::string& bug) {
    const auto line = fmt::format(
        "TROUPE_PLANTED={} timeout 60 '{}' -sf='*tests/actors/*' >/dev/null 2>&1", bug, self);
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
  const world_judge judge = [](const drawn_world& d) {
    return shown_with("boundary-not-sent-again", d);
  };
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
