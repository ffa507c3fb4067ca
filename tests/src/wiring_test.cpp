// Each mistake that a wiring can have, made by editing a good one.
#include "ops/random.hpp"
#include "src/small_jobs.hpp"
#include "support/error_of.hpp"

#include <doctest/doctest.h>

#include <array>
#include <functional>
#include <string>

using namespace troupe;
using namespace troupe::test;

namespace {

wiring good() {
  return hybrid(small_job(2), {.replicas = 2, .stages = 2});
}

std::string told(const std::function<void(wiring&)>& edit, wiring w = good()) {
  edit(w);
  std::string out;
  for (const auto& m : mistakes_of(w))
    out += std::string(error(m).what()) + "\n";
  return out;
}

wired_role& role(wiring& w, const std::string& where) {
  for (auto& r : w.roles)
    if (r.where == parse_address(where)) return r;
  throw error({.what = "no " + where});
}

void remove(wiring& w, const std::string& where) {
  const auto gone = parse_address(where);
  std::erase_if(w.roles, [&](const wired_role& r) { return r.where == gone; });
  for (auto& r : w.roles)
    std::erase(r.talks_to, gone);
}

} // namespace

TEST_CASE("what the topologies make has no mistake") {
  const auto j = small_job(2);
  CHECK(told([](wiring&) {}) == "");
  CHECK(told([](wiring&) {}, data_parallel(j, {.replicas = 4, .holders = 3})) == "");
  for (const auto& name : schedule_names())
    CHECK(told([](wiring&) {},
               hybrid(j,
                      {.replicas = 2,
                       .stages = 2,
                       .schedule = name,
                       .chunks = name == "interleaved" ? 2 : 1})) == "");
  CHECK(told([](wiring&) {}, hybrid(j, {.replicas = 4, .stages = 2, .groups = 2})) == "");
}

TEST_CASE("each island has holders, aggregators and replicas of its own") {
  auto j = small_job(2);
  j.outer = {.islands = 2};
  const auto islands = [&] { return hybrid(j, {.replicas = 2, .stages = 2}); };
  const auto wrong = [&](const std::function<void(wiring&)>& edit) {
    return told(edit, islands());
  };
  CHECK(wrong([](wiring&) {}) == "");
  CHECK(told([](wiring&) {}, hybrid(j, {.replicas = 4, .groups = 2})) == "");
  CHECK(contains(wrong([](wiring& w) {
                   remove(w, "parameter_holder/0/0/2");
                   remove(w, "parameter_holder/1/0/2");
                 }),
                 "island 2 has no parameter holder"));
  CHECK(contains(
      wrong([](wiring& w) { remove(w, "gradient_aggregator/0/0/1"); }),
      "1 gradient aggregators do not fit 2 parameter holders\n"
      "  --> hybrid(2 replicas, 2 stages, 1f1b, 4 parameter holders, 2 islands), island 1"));
  CHECK(contains(wrong([](wiring& w) {
                   w.roles.push_back({parse_address("parameter_holder/0/0/3"), {}});
                 }),
                 "parameter_holder/0/0/3 is of island 3"));
  CHECK(contains(wrong([](wiring& w) {
                   for (const char* who : {"layer_shard/0/0", "layer_shard/0/1", "data_loader/0"})
                     role(w, who).microbatches = {0, 3};
                   for (const char* who : {"layer_shard/1/0", "layer_shard/1/1", "data_loader/1"})
                     role(w, who).microbatches = {3, 1};
                 }),
                 "replica 0 is on two islands"));
  CHECK(contains(wrong([](wiring& w) { w.stash_weights = true; }), "for synchronous wirings"));
  CHECK(contains(wrong([](wiring& w) { w.job.outer.islands = 0; }), "the job has no islands"));
  CHECK(contains(told([](wiring& w) { w.job.outer.islands = 2; }),
                 "island 1 has no parameter holder"));
}

TEST_CASE("the mistakes of its job are a wiring's") {
  CHECK(contains(told([](wiring& w) { w.job.batch = 33; }), "33 = 4 x 8 + 1"));
  CHECK(contains(told([](wiring& w) { w.job.data.train = nullptr; }), "no training data"));
}

TEST_CASE("an address is played once, and who is talked to is there") {
  CHECK(told([](wiring& w) { w.roles.push_back(role(w, "evaluator/1")); }) ==
        "evaluator/1 is there 2 times\n"
        "  --> evaluator/1\n"
        "  an address is played by one actor\n"
        "  help: remove the others, or give them numbers of their own\n");
  CHECK(told([](wiring& w) {
          role(w, "recorder").talks_to.push_back(parse_address("evaluator/9"));
        }) == "recorder talks to evaluator/9, which nobody plays\n"
              "  --> recorder\n"
              "  help: did you mean 'evaluator/0'?\n");
  CHECK(contains(told([](wiring& w) { role(w, "evaluator/0").node = -1; }),
                 "evaluator/0 is on node -1"));
}

TEST_CASE("a wiring has each role that a job needs") {
  for (const char* only : {"director", "supervisor", "recorder", "checkpointer"}) {
    CAPTURE(only);
    CHECK(contains(told([&](wiring& w) { remove(w, only); }),
                   std::string("the wiring has no ") + only));
    CHECK(contains(told([&](wiring& w) {
                     auto second = role(w, only);
                     second.where.replica = 1;
                     w.roles.push_back(second);
                   }),
                   std::string(only) + "/1 is one too many"));
  }
  CHECK(contains(told([](wiring& w) {
                   for (const char* shard : {"0/0", "0/1", "1/0", "1/1"})
                     remove(w, std::string("layer_shard/") + shard);
                 }),
                 "the wiring has no layer shard"));
}

TEST_CASE("each holder has its aggregator") {
  CHECK(contains(told([](wiring& w) { remove(w, "gradient_aggregator/1"); }),
                 "3 gradient aggregators do not fit 4 parameter holders"));
  CHECK(contains(told([](wiring& w) { remove(w, "gradient_aggregator/1"); }),
                 "help: add 1 more of gradient_aggregator"));
  CHECK(contains(told(
                     [](wiring& w) {
                       remove(w, "gradient_aggregator/0");
                       remove(w, "parameter_holder/0");
                     },
                     data_parallel(small_job(2))),
                 "the wiring has no parameter holder"));
}

TEST_CASE("a group has an aggregator for each root") {
  const auto grouped = data_parallel(small_job(2), {.replicas = 4, .holders = 2, .groups = 2});
  CHECK(told([](wiring& w) { remove(w, "gradient_aggregator/1/2"); }, grouped) ==
        "group 2 has no gradient_aggregator/1/2\n"
        "  --> layer_shard/2/0\n"
        "  the gradients of a group are added up by one aggregator for each "
        "gradient_aggregator/h\n"
        "  help: add a role gradient_aggregator/1/2, or give the layer shard another group\n");
  CHECK(contains(told([](wiring& w) { role(w, "layer_shard/3/0").group = 7; }, grouped),
                 "group 7 has no gradient_aggregator/0/7"));
  CHECK(contains(told([](wiring& w) { role(w, "layer_shard/3/0").group = -1; }, grouped),
                 "layer_shard/3/0 is of group -1"));
  CHECK(contains(told(
                     [](wiring& w) {
                       auto stray = role(w, "gradient_aggregator/1/2");
                       stray.where.replica = 8;
                       w.roles.push_back(stray);
                     },
                     grouped),
                 "gradient_aggregator/8/2 adds for gradient_aggregator/8, which nobody plays"));
  CHECK(contains(told([](wiring& w) { role(w, "layer_shard/1/1").group = 1; },
                      hybrid(small_job(2), {.replicas = 2, .stages = 2, .groups = 2})),
                 "the layer shards of replica 1 are of different groups\n"
                 "  --> layer_shard/1/1\n"
                 "  it is of group 1, layer_shard/1/0 of group 2"));
  CHECK(contains(
      told([](wiring& w) { role(w, "layer_shard/1/0").group = 1; }, parameter_server(small_job(2))),
      "an asynchronous wiring has a group"));
}

TEST_CASE("groups that were edited give the same bits") {
  const auto j = small_job(4, 8);
  const auto grouped = data_parallel(j, {.replicas = 4, .groups = 2});
  const auto undisturbed = play(data_parallel(j));
  // Replicas by group: all pairs, neighbours or not, unequal shares, and one without a group.
  for (const auto& groups : {std::array{1, 2, 1, 2}, {2, 1, 1, 2}, {1, 1, 1, 2}, {0, 2, 2, 1}}) {
    auto w = grouped;
    for (auto& r : w.roles)
      if (r.where.role == role_kind::layer_shard) r.group = groups[r.where.replica];
    CHECK(mistakes_of(w).empty());
    check_same(undisturbed, play(w));
  }
}

TEST_CASE("the replicas compute each microbatch once") {
  const auto both = [](wiring& w, microbatch_range second) {
    for (const char* who : {"layer_shard/1/0", "layer_shard/1/1"})
      role(w, who).microbatches = second;
  };
  CHECK(contains(told([&](wiring& w) {
                   both(w, {3, 1});
                 }),
                 "microbatch 2 is computed by nobody\n"
                 "  --> the replicas' microbatches\n"
                 "  a batch has microbatches 0 to 3\n"
                 "  help: equal shares: 2 microbatches each, replica r from r * 2"));
  CHECK(contains(told([&](wiring& w) { both(w, {1, 2}); }), "microbatch 1 is computed twice"));
  CHECK(contains(told([&](wiring& w) { both(w, {1, 2}); }), "microbatch 3 is computed by nobody"));
  CHECK(contains(told([&](wiring& w) { both(w, {2, 4}); }), "there is no microbatch 5"));
  CHECK(contains(told([&](wiring& w) { both(w, {2, 0}); }), "replica 1 computes no microbatch"));
  CHECK(contains(told([](wiring& w) {
                   role(w, "layer_shard/1/1").microbatches = {0, 2};
                 }),
                 "the layer shards of replica 1 compute different microbatches\n"
                 "  --> layer_shard/1/1\n"
                 "  it has microbatches 0 to 1, layer_shard/1/0 has microbatches 2 to 3"));
}

TEST_CASE("each replica computes each part once and has a data loader") {
  CHECK(contains(told([](wiring& w) { remove(w, "data_loader/1"); }),
                 "replica 1 has no data loader"));
  CHECK(contains(told([](wiring& w) { role(w, "layer_shard/0/1").parts = {}; }),
                 "nobody computes part 1 of replica 0\n"
                 "  --> layer_shard/0/0, layer_shard/0/1\n"
                 "  help: add 1 to the parts of layer_shard/0/1"));
  CHECK(contains(told([](wiring& w) {
                   role(w, "layer_shard/1/0").parts = {0, 1};
                 }),
                 "part 1 of replica 1 is computed twice\n"
                 "  --> layer_shard/1/0, layer_shard/1/1"));
  CHECK(contains(told([](wiring& w) {
                   role(w, "layer_shard/1/0").parts = {0, 7};
                 }),
                 "layer_shard/1/0 names part 7, which is not there\n"
                 "  --> layer_shard/1/0\n"
                 "  the model is cut into parts 0 to 1"));
}

TEST_CASE("the parts are the model's pieces") {
  CHECK(contains(told([](wiring& w) { ++w.parts[0].pieces; }), "pieces, the model has"));
  CHECK(contains(told([](wiring& w) { w.parts[0].pieces = 0; }), "part 0 of the model has 0"));
  CHECK(contains(told([](wiring& w) { w.block_bytes_max = -1; }), "-1 bytes are no size"));
}

TEST_CASE("a schedule that cannot run is told with its replica") {
  CHECK(contains(told([](wiring& w) { role(w, "layer_shard/1/1").schedule.pop_back(); }),
                 "  --> replica 1, stage 1"));
  CHECK(contains(told([](wiring& w) {
                   auto& list = role(w, "layer_shard/0/1").schedule;
                   std::swap(list[0], list[1]);
                 }),
                 "B0 comes before F0\n  --> replica 0, stage 1"));
  CHECK(contains(told([](wiring& w) { role(w, "layer_shard/0/1").schedule[0].part = 0; }),
                 "the schedule of layer_shard/0/1 computes part 0"));
}

TEST_CASE("every part's parameters may be held by somebody") {
  CHECK(contains(told([](wiring& w) {
                   for (const char* who : {"parameter_holder/1", "parameter_holder/3"})
                     role(w, who).parts = {0};
                 }),
                 "no parameter holder may hold part 1\n"
                 "  --> parameter_holder/0, parameter_holder/1, parameter_holder/2, "
                 "parameter_holder/3\n"
                 "  each names its parts, and none names this one\n"
                 "  help: add 1 to the parts of parameter_holder/1, or leave its parts out"));
  CHECK(told([](wiring& w) { role(w, "parameter_holder/1").parts = {}; }) == "");
}

namespace {

// One random change of what a role computes, holds or hears, or of its group; or the role is gone.
void edit(wiring& w, random_stream& draw) {
  const auto below = [&](std::size_t n) { return draw.below(static_cast<std::uint32_t>(n)); };
  auto& r = w.roles[below(w.roles.size())];
  auto& list = r.schedule;
  switch (draw.below(9)) {
  case 0:
  case 1:
  case 2:
    if (list.size() > 1) std::swap(list[below(list.size())], list[below(list.size())]);
    break;
  case 3:
    r.parts.push_back(static_cast<int>(draw.below(3)));
    break;
  case 4:
    if (!r.parts.empty()) r.parts.pop_back();
    break;
  case 5:
    r.microbatches = {draw.below(5), draw.below(5)};
    break;
  case 6:
    std::swap(r, w.roles[below(w.roles.size())]);
    break;
  case 7:
    r.group = static_cast<int>(draw.below(3));
    break;
  default:
    w.roles.erase(w.roles.begin() + (&r - w.roles.data()));
  }
}

} // namespace

TEST_CASE("an edited wiring has mistakes, or gives the same bits") {
  auto j = small_job(1);
  j.model = sequential(flatten{}, dense{8}, relu{}, dense{8}, relu{}, dense{10});
  const auto undisturbed = play(data_parallel(j)).digests;
  const std::vector<wiring> all = {
      hybrid(j, {.replicas = 2, .stages = 2, .schedule = "gpipe"}),
      pipeline(j, {.stages = 3, .schedule = "zero-bubble"}),
      data_parallel(j, {.replicas = 2, .holders = 1, .groups = 2}),
      pipeline(j, {.stages = 2, .schedule = "interleaved", .chunks = 2, .recompute = true})};
  int played = 0;
  for (std::uint64_t i = 0; i < 600; ++i) {
    random_stream draw({1, random_purpose::test, i, 1});
    CAPTURE(i);
    auto w = all[i % all.size()];
    for (auto edits = 1 + draw.below(3); edits > 0; --edits)
      edit(w, draw);
    if (!mistakes_of(w).empty()) continue;
    CHECK(play(w).digests == undisturbed);
    ++played;
  }
  CHECK(played > 20);
}

TEST_CASE("a cluster refuses a wiring with a mistake before anything is spawned") {
  auto w = good();
  remove(w, "data_loader/1");
  CHECK_ERROR(cluster{}.start(w), "replica 1 has no data loader");
}

TEST_CASE("a wiring that its user edited gives the bits of the other wirings") {
  const auto j = small_job(4);
  auto w = hybrid(j, {.replicas = 2, .stages = 2});
  // Unequal replicas, another order of computing in one of them, all roles on one node.
  for (auto& r : w.roles) {
    r.node = 0;
    if (r.where.role != role_kind::layer_shard && r.where.role != role_kind::data_loader) continue;
    const bool first = r.where.replica == 0;
    r.microbatches = first ? microbatch_range{0, 1} : microbatch_range{1, 3};
    if (r.where.role == role_kind::layer_shard)
      r.schedule = (first ? one_f_one_b(2, 1) : gpipe(2, 3)).per_stage[r.where.stage];
  }
  CHECK(mistakes_of(w).empty());
  check_same(play(data_parallel(j)), play(w));
}
