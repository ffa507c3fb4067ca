// Every actor is killed at every fault point of two steps: before each message that it handles,
// after each call of each handler, at each handler's end. What comes of the job is compared with
// one plain loop; of an asynchronous one each update is computed again from what was read.
//   TROUPE_FAULT_STRIDE=1     all of them; the default is every second point
//   TROUPE_FAULT_PAIRS=5000   so many pairs, the second of them among the points of a run in which
//                             the first has killed
//   TROUPE_FAULT_POINT="hybrid layer_shard/1/0@message=12,call=1 director@message=40"
//                             these kills alone
#include "support/chance.hpp"
#include "support/environment.hpp"
#include "support/faulty_worlds.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <sstream>
#include <string>
#include <vector>

using namespace troupe;
using namespace troupe::test;

namespace {

const named_world& world_named(const std::vector<named_world>& all, const std::string& name) {
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const named_world& w) { return w.name == name; });
  if (found == all.end()) throw error({.what = "no world is called " + name});
  return *found;
}

std::string replay_text(const named_world& w, const std::string& test) {
  std::string out = "TROUPE_FAULT_POINT=\"" + w.name;
  for (const planned_kill& k : w.world.kills)
    out += ' ' + text(k);
  return fmt::format("{}\" build/release/tests/test_src -tc=\"{}\"", out, test);
}

// Whether the job bears its kills. A job of which all copies of something died says so, which is as
// it should be.
bool bears(const named_world& w, const reference_run& expected, const std::string& test) {
  const auto played = world_check(w.world, expected).play();
  if (!played.failure) return true;
  FAIL_CHECK(played.failure->kind, ": ", played.failure->text, "\n", replay_text(w, test));
  return false;
}

// The kills that TROUPE_FAULT_POINT names, if it does.
bool replayed(const std::string& test) {
  const char* given = std::getenv("TROUPE_FAULT_POINT");
  if (given == nullptr) return false;
  std::istringstream words(given);
  std::string name, point;
  words >> name;
  auto w = world_named(faulty_worlds(), name);
  while (words >> point)
    w.world.kills.push_back(parse_fault_point(point, "TROUPE_FAULT_POINT"));
  bears(w, reference_of(w.world), test);
  return true;
}

constexpr int failures_max = 5;

// Every so-manieth point is tried: in the quick suite every second, of a test so many times as long
// as the others fewer.
std::size_t points_apart(std::uint64_t longer) {
  return number_from_environment("TROUPE_FAULT_STRIDE", longer * unless_sanitized(2, 20));
}

void kill_everywhere(const std::string& name) {
  const std::string test = "*at every fault point of two steps*" + name;
  if (replayed(test)) return;
  auto w = world_named(faulty_worlds(), name);
  const auto points = points_of_two_steps(w.world);
  REQUIRE(points.size() > 200);
  std::set<address> killed;
  const auto expected = reference_of(w.world);
  const auto stride = points_apart(1);
  int failures = 0, kills = 0;
  for (std::size_t p = 0; p < points.size() && failures < failures_max; p += stride) {
    w.world.kills = {points[p]};
    killed.insert(points[p].who);
    failures += bears(w, expected, test) ? 0 : 1;
    ++kills;
  }
  MESSAGE(name, ": ", kills, " kills of ", killed.size(), " actors");
}

} // namespace

TEST_CASE("an actor may be killed at every fault point of two steps: data-parallel") {
  kill_everywhere("data-parallel");
}

TEST_CASE("an actor may be killed at every fault point of two steps: pipeline") {
  kill_everywhere("pipeline");
}

TEST_CASE("an actor may be killed at every fault point of two steps: parameter-server") {
  kill_everywhere("parameter-server");
}

TEST_CASE("an actor may be killed at every fault point of two steps: asynchronous") {
  kill_everywhere("asynchronous");
}

TEST_CASE("an actor may be killed at every fault point of two steps: bounded") {
  kill_everywhere("bounded");
}

TEST_CASE("an actor may be killed at every fault point of two steps: hybrid") {
  kill_everywhere("hybrid");
}

// Of whom a calm run hears nothing, as of supervisors, and what only recovery does.
TEST_CASE("actors may be killed at every fault point of another's recovery") {
  constexpr const char* test = "actors may be killed at every fault point of another's recovery";
  if (replayed(test)) return;
  constexpr std::size_t recovery = 120; // points, about
  int failures = 0;
  std::size_t kills = 0, of_supervisors = 0;
  for (auto w : faulty_worlds()) {
    const auto expected = reference_of(w.world);
    const auto calm = points_of_two_steps(w.world);
    const auto stride = points_apart(2);
    const fault_point first = calm[calm.size() / 3];
    w.world.kills = {first};
    auto later = points_of(w.world).all;
    const auto dead = std::find(later.begin(), later.end(), first);
    REQUIRE(dead != later.end());
    later.erase(later.begin(), dead + 1);
    for (std::size_t p = 0; p < std::min(recovery, later.size()); p += stride) {
      if (failures == failures_max) return;
      w.world.kills = {first, later[p]};
      failures += bears(w, expected, test) ? 0 : 1;
      of_supervisors += later[p].who.role == role_kind::supervisor ? 1 : 0;
      ++kills;
    }
  }
  CHECK(of_supervisors > 0);
  MESSAGE(kills, " kills in recoveries, ", of_supervisors, " of supervisors");
}

TEST_CASE("two actors may be killed at any two fault points, the second while the first recovers") {
  constexpr const char* test = "two actors may be killed at any two fault points*";
  if (replayed(test)) return;
  const auto worlds = faulty_worlds();
  std::vector<std::vector<fault_point>> firsts;
  std::vector<reference_run> expected;
  for (const auto& w : worlds) {
    firsts.push_back(points_of_two_steps(w.world));
    expected.push_back(reference_of(w.world));
  }
  int failures = 0;
  const auto pairs = number_from_environment("TROUPE_FAULT_PAIRS", unless_sanitized(200, 40));
  for (std::uint64_t seed = 1; seed <= pairs && failures < failures_max; ++seed) {
    chance c(seed);
    const auto at = seed % worlds.size();
    auto w = worlds[at];
    w.world.kills = {firsts[at][c.below(firsts[at].size())]};
    auto later = points_of(w.world).all;
    const auto of_second = std::find(later.begin(), later.end(), w.world.kills.front());
    if (of_second != later.end()) later.erase(later.begin(), of_second + 1);
    if (later.empty()) continue;
    // Mostly among the next hundred, where the first has not recovered.
    const auto near = std::min<std::size_t>(later.size(), c.percent(80) ? 100 : later.size());
    w.world.kills.push_back(later[c.below(near)]);
    failures += bears(w, expected[at], test) ? 0 : 1;
  }
}
