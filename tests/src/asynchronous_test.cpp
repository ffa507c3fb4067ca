// Parameter servers and pipelines whose stages do not wait: every update once, the staleness bound
// kept, and where the order is fixed, the same bits.
#include "actors/block_update.hpp"
#include "ops/reduction_tree.hpp"
#include "src/small_jobs.hpp"
#include "support/error_of.hpp"
#include "support/scratch_folder.hpp"
#include "troupe/casting.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <numeric>

using namespace troupe;
using namespace troupe::test;

namespace {

constexpr consistency asp{.kind = consistency_kind::asynchronous};

consistency ssp(std::uint64_t bound) {
  return {.kind = consistency_kind::bounded, .staleness = bound};
}

// Learns within its steps, also from updates that are a few others old.
job learning_job(std::int64_t steps) {
  auto j = small_job(steps, 2);
  j.data = load_data("fashion-mnist", 1);
  j.model = sequential(flatten{}, dense{32}, relu{}, dense{10});
  j.optimizer = sgd{};
  j.learning_rate = {.base = 0.1F};
  j.augment = {};
  return j;
}

void check_learned(const log_of_run& r) {
  const auto mean = [](auto first, auto last) {
    return std::accumulate(first, last, 0.0) / static_cast<double>(last - first);
  };
  CHECK(mean(r.losses.end() - 10, r.losses.end()) <
        0.9 * mean(r.losses.begin(), r.losses.begin() + 10));
}

void check_whole(const log_of_run& r, std::int64_t steps) {
  CHECK(r.result.steps == steps); // each block has applied every step once, else it had not ended
  CHECK(r.losses.size() == static_cast<std::size_t>(steps));
  CHECK(parameter_digest(r.result.layout, r.result.parameters) == r.result.parameter_digest);
  for (const double loss : r.losses)
    CHECK(std::isfinite(loss));
}

} // namespace

TEST_CASE("one asynchronous worker gives the bits of the synchronous job") {
  const auto j = small_job(20);
  const auto whole = play(data_parallel(j));
  for (const auto& order : {asp, ssp(0), ssp(3)})
    for (const int servers : {1, 3})
      check_same(
          whole,
          play(parameter_server(
              j,
              {.workers = 1, .servers = servers, .order = order, .block_bytes_max = 64 * 1024})));
  check_same(whole, play(parameter_server(j, {.workers = 1, .order = asp, .stages = 3})));
}

TEST_CASE("a synchronous parameter server gives the bits of one shard") {
  const auto j = small_job(10);
  const auto whole = play(data_parallel(j));
  for (const int servers : {1, 3})
    check_same(whole, play(parameter_server(j, {.workers = 2, .servers = servers, .order = {}})));
}

TEST_CASE("every update is applied once, and no worker leads by more than the bound") {
  const auto j = learning_job(150);
  for (const std::uint64_t bound : {0, 1, 4})
    for (const int workers : {2, 3}) {
      CAPTURE(bound);
      CAPTURE(workers);
      const auto r =
          play(parameter_server(j, {.workers = workers, .servers = 2, .order = ssp(bound)}));
      check_whole(r, 150);
      CHECK(r.lead <= bound);
      check_learned(r);
    }
  const auto r = play(parameter_server(j, {.workers = 3, .servers = 2, .order = asp}));
  check_whole(r, 150);
  CHECK(r.staleness > 0);
}

TEST_CASE("workers killed at any message lose no update and apply none twice") {
  const auto j = small_job(24);
  for (const auto& order : {asp, ssp(1)})
    for (int message = 1; message <= 14; ++message) {
      CAPTURE(message);
      const auto r = play(parameter_server(j, {.workers = 2, .servers = 2, .order = order}),
                          {{{.role = role_kind::layer_shard, .replica = 1}, 7, message},
                           {{.role = role_kind::layer_shard}, 12, message},
                           {{.role = role_kind::data_loader}, 8, 1}});
      check_whole(r, 24);
      if (order.kind == consistency_kind::bounded) CHECK(r.lead <= 1);
    }
}

TEST_CASE("a slow worker falls behind by as much as the consistency allows") {
  auto j = small_job(64, 2);
  j.data = load_data("synthetic:2048", 3); // 64 steps: no worker waits at an epoch's end
  const std::vector<slow_actor> slow{{{.role = role_kind::layer_shard, .replica = 1}, 10}};
  const auto free = play(parameter_server(j, {.workers = 2, .order = asp}), {}, 2, slow);
  check_whole(free, 64);
  CHECK(free.lead > 4);
  const auto bounded = play(parameter_server(j, {.workers = 2, .order = ssp(2)}), {}, 2, slow);
  check_whole(bounded, 64);
  CHECK(bounded.lead <= 2);
  for (const auto& r : {free, bounded}) {
    const auto& counted = r.result.staleness;
    CHECK(counted.count == 64);
    CHECK(std::accumulate(counted.updates.begin(), counted.updates.end(), std::int64_t{0}) == 64);
    CHECK(counted.most == r.staleness);
    CHECK(counted.lead == r.lead);
  }
}

TEST_CASE("slow actors change no bit of a synchronous job, whoever is killed") {
  const auto j = small_job(8);
  const auto calm = play(data_parallel(j));
  CHECK(calm.result.staleness.empty());
  const address first{.role = role_kind::layer_shard}, second{first.role, 0, 1};
  check_same(calm, play(data_parallel(j, {.replicas = 2}), {}, 0, {{first, 3}}));
  for (const char* schedule : {"1f1b", "zero-bubble"})
    check_same(calm,
               play(pipeline(j, {.stages = 3, .schedule = schedule}),
                    {{second, 3, 4}, {first, 5, 2}},
                    0,
                    {{first, 2}, {second, 4}}));
}

TEST_CASE("who can be slow, and how slow") {
  const auto w = data_parallel(small_job(2));
  const auto start = [&](const address& who, double factor) {
    return play(w, {}, 0, {{who, factor}});
  };
  const address shard{.role = role_kind::layer_shard};
  CHECK_ERROR(start(shard, 0.5), "cannot take 0.5 times as long");
  CHECK_ERROR(start({shard.role, 3}, 2), "nobody plays layer_shard/3");
  CHECK_ERROR(start({role_kind::director}, 2), "director has no kernels");
}

TEST_CASE("what is staler than the last of the counted counts with it") {
  staleness_count s;
  for (const std::uint64_t staleness : {0, 63, 64, 1000})
    s.add(staleness, 0);
  CHECK(s.updates.size() == staleness_count::updates_max);
  CHECK(s.updates.back() == 3);
  CHECK(s.most == 1000);
  CHECK(s.mean() == 1127 / 4.0);
}

TEST_CASE("corrections of staleness change the parameters, and learn") {
  const auto j = learning_job(150);
  for (const consistency& order :
       {consistency{.kind = consistency_kind::asynchronous, .staleness_aware = true},
        consistency{.kind = consistency_kind::asynchronous, .delay_compensation = 0.04F}}) {
    const auto r = play(parameter_server(j, {.workers = 3, .order = order}));
    check_whole(r, 150);
    check_learned(r);
  }
}

namespace {

// What stashed weights promise, as a plain loop: the gradient of step t is taken with parameters
// that are, for those of stage s, min(stages - 1 - s, steps since the epoch began) updates old.
std::vector<std::uint64_t> stashed_reference(const wiring& w, std::int64_t steps) {
  const job& j = w.job;
  const graph g = graph_of(j);
  const auto whole = compile_cpu(g, {.microbatch = j.batch / j.microbatches});
  const parameter_layout& layout = whole->layout();
  std::vector<int> part_of(layout.specs.size(), 0);
  auto cut = compile_options_of(w);
  for (cut.part = 0; cut.part < w.stages; ++cut.part) {
    const auto part = compile_cpu(g, cut);
    for (std::size_t p = 0; p < part_of.size(); ++p)
      if (part->owns(part->layout().places[p].block)) part_of[p] = cut.part;
  }
  microbatch_reader reader(j.data.train,
                           {j.batch, j.microbatches, j.shuffle, j.balanced_sampling, j.seed},
                           j.augment,
                           j.loss,
                           static_cast<int>(g.output().elements()));
  const auto blocks = static_cast<int>(layout.blocks.size());
  std::vector<std::shared_ptr<block_rule>> rules;
  for (int b = 0; b < blocks; ++b)
    rules.push_back(std::make_shared<block_rule>(layout, b, j.optimizer, std::vector<tensor>{}));
  std::vector<std::vector<tensor>> versions{initial_parameters(layout, j.seed)};
  std::vector<std::uint64_t> out;
  for (std::int64_t t = 0; t < steps; ++t) {
    std::vector<std::vector<float>> mixed;
    for (std::size_t p = 0; p < part_of.size(); ++p) {
      const auto delay = std::min<std::int64_t>(w.stages - 1 - part_of[p], t % j.steps_per_epoch());
      mixed.push_back(
          plain_values(layout, static_cast<int>(p), versions[static_cast<std::size_t>(t - delay)]));
    }
    whole->bind(
        packed_blocks(layout, std::vector<std::span<const float>>(mixed.begin(), mixed.end())));

    struct sums final : gradient_sink {
      std::vector<tree_sum> trees;
      std::vector<tensor> totals;
      std::uint32_t microbatch = 0;

      void on_gradient(int block, tensor gradient) override {
        const auto b = static_cast<std::size_t>(block);
        if (auto total = trees[b].add({microbatch, 1}, std::move(gradient))) totals[b] = *total;
      }
    } sum;

    sum.trees.assign(static_cast<std::size_t>(blocks),
                     tree_sum(j.microbatches, {0, j.microbatches}));
    sum.totals.resize(static_cast<std::size_t>(blocks));
    for (; sum.microbatch < j.microbatches; ++sum.microbatch) {
      const auto data = reader.read(static_cast<std::uint64_t>(t), sum.microbatch);
      whole->forward(data.inputs, {j.seed, static_cast<std::uint64_t>(t), sum.microbatch});
      whole->compute_loss(j.loss, data.targets, data.normaliser);
      whole->backward(sum);
    }
    auto& next = versions.emplace_back();
    for (int b = 0; b < blocks; ++b) {
      const auto i = static_cast<std::size_t>(b);
      block_update update;
      update.block = rules[i];
      update.step = static_cast<std::uint64_t>(t);
      update.old_parameters = versions[static_cast<std::size_t>(t)][i];
      update.gradient = sum.totals[i];
      update.new_parameters = buffer_pool::global().take(update.gradient.dims());
      update.rule = j.optimizer;
      update.rate = j.learning_rate.at(t, j.total_steps());
      update.microbatches = static_cast<float>(j.microbatches);
      update.run(0, rules[i]->chunks.size());
      next.push_back(std::move(update.new_parameters).freeze());
    }
    out.push_back(parameter_digest(layout, next));
  }
  return out;
}

} // namespace

TEST_CASE(
    "stages that stash weights do what a plain loop with old weights does, whoever is killed") {
  const auto j = small_job(40, 2); // 16 steps an epoch
  const auto synchronous = play(data_parallel(j));
  for (const int stages : {1, 2, 4}) {
    CAPTURE(stages);
    const auto w = pipeline(j, {.stages = stages, .stash_weights = true});
    const auto calm = play(w);
    if (stages == 1)
      check_same(calm, synchronous);
    else
      CHECK(calm.digests != synchronous.digests);
    CHECK(calm.digests == stashed_reference(w, 40));
    check_same(calm, play(w));
    for (int stage = 0; stage < stages; ++stage)
      for (const int message : {1, 4}) {
        CAPTURE(stage);
        CAPTURE(message);
        const address who{.role = role_kind::layer_shard,
                          .stage = static_cast<std::uint16_t>(stage)};
        check_same(calm, play(w, {{who, 5, message}, {who, 17, message}}));
      }
  }
}

TEST_CASE(
    "a job that stashes weights resumes at an epoch's end, to the same bits, and nowhere else") {
  const auto j = small_job(40, 2); // 16 steps an epoch
  const auto w = pipeline(j, {.stages = 3, .stash_weights = true});
  const auto calm = play(w);
  const scratch_folder folder;
  const auto kept = cluster{}
                        .start(w,
                               {.checkpoint_folder = folder.path(),
                                .checkpoint_every = 8,
                                .checkpoints_kept = 10,
                                .evaluate = false})
                        .wait();
  CHECK(kept.parameter_digest == calm.result.parameter_digest);
  const auto resume = [&](const char* step) {
    return cluster{}
        .start(
            w,
            {.resume = folder.path() + "/step-000000" + step + ".safetensors", .evaluate = false})
        .wait()
        .parameter_digest;
  };
  CHECK(resume("16") == calm.result.parameter_digest);
  CHECK_THROWS_WITH_AS(resume("24"), doctest::Contains("resume from step 16"), error);
}

TEST_CASE("replicas of stages that stash weights share their updates") {
  const auto j = small_job(20, 4);
  const auto one = play(pipeline(j, {.stages = 3, .stash_weights = true}));
  check_same(one, play(hybrid(j, {.replicas = 2, .stages = 3, .stash_weights = true})));
}
