// Parameter holders with copies, in simulated clusters and live: whoever of them dies, and whoever
// dies with them, the bits are those of the calm run, as long as one copy is left.
#include "src/small_jobs.hpp"
#include "support/error_of.hpp"
#include "support/scratch_folder.hpp"
#include "support/world_checks.hpp"

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

namespace {

// Several blocks, statistics and dropout, and a step that takes no time.
job tiny_job(std::int64_t steps, std::uint32_t microbatches = 4) {
  auto out = small_job(steps, microbatches);
  out.model = sequential(conv2d{.channels = 4, .kernel = 3, .padding = 1, .bias = false},
                         batch_norm{},
                         relu{},
                         max_pool2d{},
                         flatten{},
                         dropout{0.25F},
                         dense{8},
                         relu{},
                         dense{10});
  out.data = load_data("synthetic:64", 3);
  out.batch = 8;
  return out;
}

job with_islands(job j, std::shared_ptr<const codec> compression = nullptr) {
  j.outer.islands = 2;
  j.outer.every = 2;
  j.compression = std::move(compression);
  return j;
}

simulated_cluster cluster_of(std::vector<timed_fault> faults) {
  simulated_cluster out;
  out.model.link = {.latency = 100us, .jitter = 50us, .bytes_per_second = 1e8};
  out.model.faults = std::move(faults);
  return out;
}

log_of_run simulate(const wiring& w, std::vector<timed_fault> faults) {
  return play_on(cluster_of(std::move(faults)), w, {.evaluate = false});
}

// When each holder, and each of its copies, hears something in the calm run.
std::vector<timed_fault> moments_of(const wiring& w) {
  std::vector<timed_fault> out;
  auto where = cluster_of({});
  where.on_message = [&](const heard_message& m) {
    if (m.to.role == role_kind::parameter_holder) out.push_back({m.when, kill_fault{m.to}});
  };
  play_on(where, w, {.evaluate = false});
  return out;
}

struct named_wiring {
  std::string name;
  wiring wired;
};

std::vector<named_wiring> topologies_of(int copies) {
  const auto j = tiny_job(4);
  return {
      {"data parallel", hybrid(j, {.replicas = 2, .holder_copies = copies, .block_bytes_min = 1})},
      {"groups", hybrid(j, {.replicas = 4, .holders = 1, .holder_copies = copies, .groups = 2})},
      {"hybrid", hybrid(j, {.replicas = 2, .stages = 2, .holder_copies = copies})},
      {"stashed weights",
       pipeline(j, {.stages = 3, .stash_weights = true, .holder_copies = copies})},
      {"dealt",
       hybrid(j, {.replicas = 2, .holder_copies = copies, .balance_shares = true, .backups = 1})},
      {"islands",
       hybrid(with_islands(j),
              {.replicas = 2, .holders = 1, .holder_copies = copies, .block_bytes_min = 1})},
      {"islands with residuals",
       hybrid(with_islands(j, make_codec("1-bit")),
              {.replicas = 2, .holders = 1, .holder_copies = copies})}};
}

address head(std::uint32_t h = 0) {
  return {.role = role_kind::parameter_holder, .replica = h};
}

address copy(std::uint16_t c, std::uint32_t h = 0) {
  return {.role = role_kind::parameter_holder, .replica = h, .stage = c};
}

} // namespace

TEST_CASE("copies of parameter holders change no bit") {
  const auto one = topologies_of(1), two = topologies_of(2), three = topologies_of(3);
  for (std::size_t i = 0; i < one.size(); ++i) {
    CAPTURE(one[i].name);
    const auto calm = simulate(one[i].wired, {});
    check_same(calm, simulate(two[i].wired, {}));
    check_same(calm, simulate(three[i].wired, {}));
  }
}

TEST_CASE("a parameter holder or a copy of it that dies at any message changes no bit") {
  for (const int copies : {2, 3})
    for (const auto& [name, w] : topologies_of(copies)) {
      CAPTURE(name);
      CAPTURE(copies);
      const auto calm = simulate(w, {});
      const auto moments = moments_of(w);
      const auto stride = 1 + moments.size() / 80;
      std::int64_t restarts = 0;
      for (std::size_t i = copies; i < moments.size(); i += stride) {
        CAPTURE(std::get<kill_fault>(moments[i].what).who.text());
        CAPTURE(moments[i].when.count());
        const auto run = simulate(w, {moments[i]});
        check_same(calm, run);
        restarts += run.result.restarts;
      }
      CHECK(restarts > 20);
    }
}

TEST_CASE("who dies together with a parameter holder changes no bit") {
  const auto w = hybrid(tiny_job(4), {.replicas = 2, .holders = 1, .holder_copies = 2});
  const auto calm = simulate(w, {});
  const auto moments = moments_of(w);
  const address others[] = {{.role = role_kind::gradient_aggregator},
                            {.role = role_kind::layer_shard},
                            {.role = role_kind::data_loader, .replica = 1}};
  for (std::size_t i = 0; i < moments.size(); i += 3)
    for (const auto& other : others)
      for (const auto after : {0us, 70us, 400us}) {
        CAPTURE(std::get<kill_fault>(moments[i].what).who.text());
        CAPTURE(moments[i].when.count());
        CAPTURE(other.text());
        CAPTURE(after.count());
        check_same(calm, simulate(w, {moments[i], {moments[i].when + after, kill_fault{other}}}));
      }
}

TEST_CASE("of three copies any two may die at once, and again") {
  const auto w = hybrid(tiny_job(4), {.replicas = 2, .holders = 1, .holder_copies = 3});
  const auto calm = simulate(w, {});
  const auto moments = moments_of(w);
  const std::pair<address, address> pairs[] = {
      {head(), copy(1)}, {head(), copy(2)}, {copy(1), copy(2)}};
  for (std::size_t i = 0; i < moments.size(); i += 4)
    for (const auto& [a, b] : pairs)
      for (const auto after : {0us, 60us, 300us}) {
        CAPTURE(a.text());
        CAPTURE(b.text());
        CAPTURE(moments[i].when.count());
        CAPTURE(after.count());
        const auto at = moments[i].when;
        check_same(calm, simulate(w, {{at, kill_fault{a}}, {at + after, kill_fault{b}}}));
        check_same(calm,
                   simulate(w,
                            {{at, kill_fault{a}},
                             {at + after, kill_fault{b}},
                             {at + 20ms, kill_fault{b}},
                             {at + 20ms + after, kill_fault{a}}}));
      }
}

TEST_CASE("holders that hold nothing lose nothing") {
  const auto w = hybrid(tiny_job(6), {.replicas = 2, .holders = 9, .holder_copies = 2});
  const auto calm = simulate(w, {});
  std::vector<timed_fault> kills;
  for (std::uint32_t h = 0; h < 9; ++h) {
    kills.push_back({3ms, kill_fault{copy(1, h)}});
    kills.push_back({15ms, kill_fault{head(h)}});
  }
  const auto run = simulate(w, kills);
  check_same(calm, run);
  CHECK(run.result.restarts == 18);
}

TEST_CASE("where all copies die at once, the job goes back, and changes no bit") {
  const auto w = hybrid(tiny_job(40), {.replicas = 2, .holders = 1, .holder_copies = 2});
  const auto run = simulate(w, {{5ms, kill_fault{head()}}, {5ms, kill_fault{copy(1)}}});
  CHECK(run.result.rollbacks == 1);
  check_same(simulate(w, {}), run);
}

TEST_CASE("workers' updates count once, within the bound, whoever of their servers dies") {
  for (const int copies : {2, 3})
    for (const auto kind : {consistency_kind::bounded, consistency_kind::asynchronous}) {
      drawn_world d{.job = tiny_job(12, 2),
                    .options = {.replicas = 3,
                                .holders = 2,
                                .holder_copies = copies,
                                .block_bytes_min = 1,
                                .order = {.kind = kind,
                                          .staleness = 1,
                                          .staleness_aware = true,
                                          .delay_compensation = 0.04F}}};
      d.cluster = cluster_of({});
      const auto moments = moments_of(d.wired());
      const auto stride = 1 + moments.size() / 60;
      for (std::size_t i = 0; i < moments.size(); i += stride) {
        d.troubles = {{moments[i]}};
        if (i % 3 == 1)
          d.troubles.push_back(
              {{moments[i].when + 50us,
                kill_fault{{.role = role_kind::layer_shard, .replica = i % 2 == 0 ? 0U : 2U}}}});
        CAPTURE(copies);
        CAPTURE(std::get<kill_fault>(moments[i].what).who.text());
        CAPTURE(moments[i].when.count());
        const auto played = world_check(d, {}).play();
        CHECK_MESSAGE(!played.failure, (played.failure ? played.failure->text : ""));
      }
    }
}

TEST_CASE("a keeper of residuals that dies has them from its layer shard, and changes no bit") {
  auto j = tiny_job(4);
  j.compression = make_codec("1-bit");
  const auto w = hybrid(j, {.replicas = 2, .holders = 1});
  const auto calm = simulate(w, {});
  const auto end = std::chrono::nanoseconds(static_cast<std::int64_t>(calm.result.seconds * 1e9));
  const address keeper{.role = role_kind::residual_keeper, .replica = 1};
  const address shard{.role = role_kind::layer_shard, .replica = 1};
  for (int i = 0; i < 40; ++i) {
    const auto at = end * i / 40;
    CAPTURE(at.count());
    check_same(calm, simulate(w, {{at, kill_fault{keeper}}}));
    check_same(calm, simulate(w, {{at, kill_fault{keeper}}, {at + 3ms, kill_fault{shard}}}));
    check_same(calm, simulate(w, {{at, kill_fault{shard}}, {at + 3ms, kill_fault{keeper}}}));
  }
  const auto both = simulate(w, {{end / 2, kill_fault{keeper}}, {end / 2, kill_fault{shard}}});
  check_same(calm, both);
  CHECK(both.result.rollbacks == 1);
}

TEST_CASE("a node with parameters may die, leave and come back where others have copies of them") {
  const auto w = hybrid(tiny_job(4), {.replicas = 4, .holder_copies = 2});
  const auto calm = simulate(w, {});
  const auto end = std::chrono::nanoseconds(static_cast<std::int64_t>(calm.result.seconds * 1e9));
  for (int i = 0; i < 40; ++i) {
    const auto at = end * i / 40;
    CAPTURE(at.count());
    check_same(calm, simulate(w, {{at, kill_node_fault{2}}}));
    check_same(calm, simulate(w, {{at, leave_fault{3}}, {at + 30ms, join_fault{3}}}));
    check_same(calm, simulate(w, {{at, leave_fault{1}}, {at + 30ms, kill_node_fault{2}}}));
  }
  const auto servers = parameter_server(
      tiny_job(4), {.workers = 2, .servers = 2, .order = {.kind = consistency_kind::asynchronous}});
  const auto home = servers.find(head(1))->node;
  CHECK_ERROR(simulate(servers, {{1ms, kill_node_fault{home}}}),
              std::to_string(home) + " cannot be killed");
}

TEST_CASE("a live parameter holder or a copy of it, killed at any message, changes no bit") {
  const auto j = small_job(6);
  const auto w = data_parallel(j, {.replicas = 2, .holder_copies = 2});
  const auto calm = play(data_parallel(j, {.replicas = 2}));
  for (const auto& who : {head(0), copy(1, 0), head(1), copy(1, 1)}) {
    int killed = 0;
    for (int message = 1; message <= 12; ++message) {
      CAPTURE(who.text());
      CAPTURE(message);
      const auto run = play(w, {{who, 3, message}});
      check_same(calm, run);
      if (run.result.restarts == 0) break;
      ++killed;
    }
    CHECK(killed >= 1);
  }
}

TEST_CASE("a job resumes onto another number of copies") {
  const scratch_folder saved;
  const auto j = tiny_job(6);
  const auto calm = simulate(hybrid(j, {.replicas = 2}), {});
  play_with(hybrid(j, {.replicas = 2, .holder_copies = 3}),
            {.checkpoint_folder = saved.path(), .checkpoint_every = 3, .evaluate = false});
  for (const int copies : {1, 2}) {
    const auto rest = play_with(hybrid(j, {.replicas = 2, .holder_copies = copies}),
                                {.resume = saved.file("step-00000003"), .evaluate = false});
    CHECK(rest.digests == std::vector(calm.digests.begin() + 3, calm.digests.end()));
  }
}

TEST_CASE("who has no copy in an asynchronous job cannot be killed, and hears what to do") {
  const auto w = parameter_server(
      tiny_job(3), {.workers = 1, .servers = 1, .order = {.kind = consistency_kind::asynchronous}});
  const std::vector<planned_kill> kill = {{head(), 1, 1}};
  CHECK_ERROR(play(w, kill), "parameter_holder/0 has no copy");
  CHECK_ERROR(play(w, kill), "help: give the parameter holders copies: --holder-copies 2");
  const data_parallel_options none{.holder_copies = 0};
  CHECK_ERROR(data_parallel(tiny_job(3), none), "use 2 or 3, at most 16");
}

TEST_CASE("a wiring says which copies there are, what they cost, and where two share a node") {
  const auto w = hybrid(tiny_job(3), {.replicas = 2, .holder_copies = 2});
  CHECK(w.find(copy(1))->node == 1);
  CHECK(w.find(copy(1, 1))->node == 0);
  CHECK(contains(w.text(), "2 parameter holders, 2 copies)"));
  CHECK(contains(w.text(), "parameter_holder/0/1"));
  CHECK(!contains(w.text(), "two copies on node"));
  auto crowded = w;
  for (auto& role : crowded.roles)
    role.node = 0;
  CHECK(contains(crowded.text(), "parameter_holder/1 has two copies on node 0: they are lost"));
  CHECK(parse_wiring(to_json(w), w.job, "w.json").roles == w.roles);

  const auto alone = price_of(hybrid(tiny_job(3), {.replicas = 2}), {});
  const auto price = price_of(w, {});
  REQUIRE(price.holders.size() == 4);
  CHECK(price.holders[0].parameter_bytes == price.holders[1].parameter_bytes);
  std::int64_t copied = 0, parameters = 0;
  for (const auto& e : price.edges)
    if (e.to.role == role_kind::parameter_holder && e.to.stage == 1) copied += e.bytes;
  for (const auto& h : alone.holders)
    parameters += h.parameter_bytes;
  CHECK(copied == 2 * parameters); // two halves of each sum
}

TEST_CASE("copies that nobody could follow are mistakes of a wiring") {
  const auto w = hybrid(tiny_job(3), {.replicas = 2, .holder_copies = 3});
  const auto told = [&](const address& without) {
    auto wrong = w;
    std::erase_if(wrong.roles, [&](const auto& r) { return r.where == without; });
    for (auto& role : wrong.roles)
      std::erase(role.talks_to, without);
    return std::string(joined(mistakes_of(wrong)).what());
  };
  CHECK(contains(told(copy(1)), "parameter_holder/0/2 is there, and parameter_holder/0 has 1 cop"));
  CHECK(contains(told(copy(1)), "number them 1 to 1"));
  CHECK(
      contains(told(head()), "parameter_holder/0/1 is a copy of parameter_holder/0, which nobody"));
  auto other = w;
  for (auto& role : other.roles)
    if (role.where == copy(2)) role.parts = {0};
  CHECK(contains(joined(mistakes_of(other)).what(), "names other parts than parameter_holder/0"));
}
