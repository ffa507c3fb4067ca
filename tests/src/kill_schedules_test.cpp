// Schedules of kills by the hundred thousand: of every role and of whole nodes, alone, together,
// and again while they come back, with pauses and partitions in between and the messages in any
// order. Each ends with the bits of the plain loop, or with each update applied once. The jobs are
// few and small, and what they come to is known beforehand: so one costs a few milliseconds.
//   TROUPE_KILL_SCHEDULES=100000   how many are drawn
//   TROUPE_KILL_SCHEDULE=1234      this one alone, printed
#include "src/protocol_jobs.hpp"
#include "support/environment.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;
using std::chrono::nanoseconds;

namespace {

constexpr auto length = 12ms; // most of the jobs are over then, if nothing holds them up

struct subject {
  played_job job;
  reference_run expected;
  std::vector<address> mortal;
  std::vector<int> nodes; // on which nobody is immortal
};

std::vector<subject> subjects() {
  std::vector<subject> out;
  for (auto& j : protocol_jobs()) {
    j.world.checkpoint_every = std::min<std::int64_t>(j.world.checkpoint_every, 3);
    const auto w = j.world.wired();
    auto expected = reference_of(j.world);
    std::vector<int> nodes;
    for (const auto& r : w.roles)
      if (is_mortal(w, r.where)) nodes.push_back(r.node);
    out.push_back({std::move(j), std::move(expected), mortals_of(w), std::move(nodes)});
  }
  return out;
}

nanoseconds moment(chance& c) {
  return nanoseconds(c.between(0, static_cast<int>(nanoseconds(length).count())));
}

void draw_kills(chance& c, const subject& s, std::vector<timed_fault>& out) {
  const auto anybody = [&] { return s.mortal[c.below(s.mortal.size())]; };
  for (int n = c.one_of({1, 1, 2, 3, 5, 10, 20}); n > 0; --n) {
    const auto when = moment(c);
    const auto who = anybody();
    out.push_back({when, kill_fault{who}});
    if (c.percent(25)) out.push_back({when, kill_fault{anybody()}}); // at once
    if (c.percent(25)) // while it comes back, or as soon as it has
      out.push_back({when + nanoseconds(c.between(1, 200'000)), kill_fault{who}});
    if (c.percent(10))
      out.push_back(
          {when + nanoseconds(c.between(0, 300'000)), kill_fault{{.role = role_kind::supervisor}}});
    if (c.percent(10)) out.push_back({when, kill_node_fault{s.nodes[c.below(s.nodes.size())]}});
  }
}

void draw_partitions(chance& c, const subject& s, std::vector<timed_fault>& out) {
  for (int n = c.one_of({0, 0, 1, 1, 3}); n > 0; --n) {
    const auto from = moment(c), until = from + moment(c);
    const int node = s.nodes[c.below(s.nodes.size())], other = s.nodes[c.below(s.nodes.size())];
    switch (c.between(0, 2)) {
    case 0:
      out.push_back({from, pause_fault{node}});
      out.push_back({until, resume_fault{node}});
      break;
    case 1:
      out.push_back({from, isolate_fault{whole::node, node}});
      out.push_back({until, reconnect_fault{whole::node, node}});
      break;
    default:
      if (node == other) break;
      out.push_back({from, cut_fault{node, other}});
      out.push_back({until, heal_fault{node, other}});
    }
  }
}

drawn_world schedule_of(const subject& s, chance& c, std::uint64_t seed) {
  auto out = s.job.world;
  auto& m = out.cluster.model;
  m.seed = seed;
  if (c.percent(50)) m.order = exploration::anything;
  m.link.duplicates = c.one_of({0.0, 0.0, 0.2});
  m.link.loss = c.one_of({0.0, 0.0, 0.05});
  m.link.resend_after = c.one_of<nanoseconds>({300us, 20ms});
  if (c.percent(85)) out.checkpoint_every = 0;
  draw_kills(c, s, m.faults);
  draw_partitions(c, s, m.faults);
  return out;
}

std::string text_of(const drawn_world& d) {
  std::string out;
  for (const auto& f : d.cluster.model.faults)
    out += fmt::format("\n  {}", test::text(f));
  return out;
}

} // namespace

TEST_CASE("no schedule of kills changes a bit or loses an update") {
  const auto all = subjects();
  int lost = 0, deaths = 0, played = 0;
  const auto check = [&](std::uint64_t seed, bool alone) {
    chance c(seed);
    const auto& s = all[c.below(all.size())];
    const auto d = schedule_of(s, c, seed);
    if (alone) MESSAGE(s.job.name << text_of(d));
    const auto run = world_check(d, s.expected).play();
    ++played;
    lost += run.lost ? 1 : 0;
    deaths += static_cast<int>(run.run.result.restarts);
    if (run.failure)
      FAIL_CHECK(fmt::format("{}: {}: {}{}\nTROUPE_KILL_SCHEDULE={} build/release/tests/test_src "
                             "-tc=\"no schedule of kills*\"",
                             s.job.name,
                             run.failure->kind,
                             run.failure->text,
                             text_of(d),
                             seed));
  };
  if (!for_each_seed(
          "TROUPE_KILL_SCHEDULE", "TROUPE_KILL_SCHEDULES", unless_sanitized(500, 40), check))
    return;
  MESSAGE(played << " schedules, " << deaths << " restarts; " << lost
                 << " times all copies were gone");
  CHECK(deaths > played);
  CHECK(lost * 50 < played);
}
