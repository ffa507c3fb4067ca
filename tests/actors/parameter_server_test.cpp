// The promises of a parameter server, in a world where messages are late, overtake each other and
// come twice, and workers are killed: each update is applied once at each block, none that was
// acknowledged is lost, and nobody reads who is too far ahead.
//   TROUPE_DISORDER_SEEDS=5000   how many worlds are drawn
//   TROUPE_DISORDER_SEED=1234    this one alone
#include "actors/block_update.hpp"
#include "actors/data_loader.hpp"
#include "actors/director.hpp"
#include "actors/layer_shard.hpp"
#include "actors/parameter_holder.hpp"
#include "ops/program.hpp"
#include "support/disordered_world.hpp"
#include "support/environment.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string>

using namespace troupe;
using namespace troupe::test;

namespace {

constexpr const char* test_name = "late and doubled messages and dying workers lose no update";

const address director_{.role = role_kind::director}, supervisor_{.role = role_kind::supervisor},
    recorder_{.role = role_kind::recorder}, checkpointer_{.role = role_kind::checkpointer};

address numbered(role_kind role, std::uint64_t n) {
  return {.role = role, .replica = static_cast<std::uint32_t>(n)};
}

// What all worlds share: a small model of several blocks, compiled once.
struct small_server_job {
  static constexpr std::int64_t batch = 4;
  static constexpr std::uint32_t microbatches = 2;

  dataset_ptr data = std::make_shared<const dataset>(synthetic(24, shape{1, 3, 3}, 3, 1));
  graph network = build_graph(sequential(flatten{}, dense{4}, relu{}, dense{3}), data->image);
  compile_options how{.microbatch = batch / microbatches, .block_bytes_min = 1};
  std::shared_ptr<pool<shard_kernels>> kernels =
      std::make_shared<pool<shard_kernels>>([g = network, how = how] {
        std::vector<shard_kernels::part> parts(1);
        parts[0].in_flight.push_back(compile_cpu(g, how));
        return std::make_unique<shard_kernels>(std::move(parts));
      });
  std::shared_ptr<const parameter_layout> layout =
      std::make_shared<const parameter_layout>(compile_cpu(network, how)->layout());
  std::shared_ptr<const loss> criterion = std::make_shared<const loss>(softmax_cross_entropy{});
  std::vector<tensor> start = initial_parameters(*layout, 1);
  optimizer rule = sgd{.momentum = 0.5F};
  learning_rate rate{.base = 0.05F};

  [[nodiscard]] int blocks() const { return static_cast<int>(layout->blocks.size()); }
};

// A job under one consistency, watched from outside.
class watched_server {
public:
  watched_server(const small_server_job& j, std::uint64_t seed)
      : job_(j), chance_(seed), world_(chance_, chance_.one_of({0, 5, 30})) {
    workers_ = static_cast<std::uint64_t>(chance_.between(1, 4));
    holders_ = chance_.between(1, job_.blocks());
    steps_ = chance_.between(1, 7) * static_cast<std::int64_t>(workers_) + chance_.between(0, 2);
    steps_per_epoch_ = chance_.one_of<std::int64_t>({6, steps_});
    order_.kind = chance_.percent(70) ? consistency_kind::bounded : consistency_kind::asynchronous;
    order_.staleness = static_cast<std::uint64_t>(chance_.between(0, 3));
    deaths_ = chance_.percent(60) ? chance_.between(1, 4) : 0;
    applied_.assign(blocks(), std::vector<std::uint64_t>(workers_, 0));
    log_.resize(blocks());
    accepted_.resize(blocks());
    world_.on_send = [this](const auto& from, const auto&, const message& m) { sent(from, m); };
    world_.on_hear = [this](const auto&, const auto& to, const message& m) { heard(to, m); };
    cast();
  }

  [[nodiscard]] std::string text() const {
    return fmt::format("{} workers, {} holders of {} blocks, {} steps, {} an epoch, {}, {} deaths",
                       workers_,
                       holders_,
                       blocks(),
                       steps_,
                       steps_per_epoch_,
                       troupe::text(order_),
                       deaths_);
  }

  // To the end of the job, and then until nothing moves: late copies must change nothing either.
  void run() {
    int until_death = chance_.between(1, 60);
    while (world_.happen())
      if (deaths_ > 0 && !ended_ && --until_death == 0) {
        --deaths_;
        until_death = chance_.between(1, 120);
        const auto worker = static_cast<std::uint64_t>(chance_.between(0, int(workers_) - 1));
        const bool loader = chance_.percent(25);
        world_.kill(numbered(loader ? role_kind::data_loader : role_kind::layer_shard, worker),
                    supervisor_);
      }
  }

  void check() const {
    CHECK_MESSAGE(ended_, "the job stands still");
    CHECK(committed_steps_ == steps_);
    for (std::size_t b = 0; b < blocks(); ++b) {
      CAPTURE(b);
      CHECK(std::ssize(log_[b]) == steps_);
      CHECK(digests_.at(static_cast<int>(b)) == replayed(b));
    }
  }

private:
  [[nodiscard]] std::size_t blocks() const { return static_cast<std::size_t>(job_.blocks()); }

  [[nodiscard]] address holder_of(std::size_t block) const {
    return numbered(role_kind::parameter_holder, block % static_cast<std::size_t>(holders_));
  }

  void cast() {
    std::vector<address> shards, holder_of_block;
    for (std::uint64_t w = 0; w < workers_; ++w)
      shards.push_back(numbered(role_kind::layer_shard, w));
    for (std::size_t b = 0; b < blocks(); ++b)
      holder_of_block.push_back(holder_of(b));
    world_.add(supervisor_, [](const message&) {});
    world_.add(recorder_, [this](const message& m) {
      if (const auto* asked = std::get_if<protocol::want_cursor>(&m))
        world_.send(recorder_, director_, protocol::cursor{.life = asked->life});
      const auto acknowledge = [this](const auto& event) {
        if constexpr (requires { event.number.director; })
          world_.send(recorder_, director_, protocol::recorded{event.number});
      };
      std::visit(acknowledge, m);
      recorded(m);
    });
    world_.add(checkpointer_, [this](const message& m) {
      if (const auto* save = std::get_if<protocol::save>(&m))
        world_.send(checkpointer_, director_, protocol::saved{save->request, {}, {}, {}});
    });
    for (int h = 0; h < holders_; ++h)
      add_holder(numbered(role_kind::parameter_holder, static_cast<std::uint64_t>(h)), shards);
    for (std::uint64_t w = 0; w < workers_; ++w) {
      add<data_loader>(numbered(role_kind::data_loader, w), data_loader_options{[&j = job_] {
                         auto reader = std::make_shared<microbatch_reader>(
                             j.data,
                             sampling{.batch = j.batch, .microbatches = j.microbatches, .seed = 1},
                             augmentation{},
                             *j.criterion,
                             3);
                         return
                             [reader](std::uint64_t step, std::uint32_t microbatch, bool images) {
                               return reader->read(step, microbatch, images);
                             };
                       }});
      add_worker(w, holder_of_block);
    }
    add<director>(director_,
                  director_options{.last_step = static_cast<std::uint64_t>(steps_),
                                   .steps_per_epoch = static_cast<std::uint64_t>(steps_per_epoch_),
                                   .microbatches = job_.microbatches,
                                   .blocks = job_.blocks(),
                                   .shards = shards,
                                   .workers = workers_,
                                   .steps_ahead = std::uint64_t{1} << 40U});
  }

  template <class Role, class Options>
  void add(const address& who, Options options) {
    world_.add(who, role_factory([options = std::move(options)](context& c) {
                 return std::make_unique<Role>(c, options);
               }));
  }

  void add_holder(const address& who, const std::vector<address>& shards) {
    parameter_holder_options out{.layout = job_.layout,
                                 .rule = job_.rule,
                                 .rate = job_.rate,
                                 .total_steps = steps_,
                                 .microbatches = job_.microbatches,
                                 .readers = {blocks(), shards},
                                 .director = director_,
                                 .order = order_,
                                 .workers = workers_};
    for (std::size_t b = 0; b < blocks(); ++b)
      if (holder_of(b) == who)
        out.blocks.push_back({.block = static_cast<int>(b), .parameters = job_.start[b]});
    add<parameter_holder>(who, out);
  }

  template <class Role, class Shared, class Own>
  void add(const address& who, Shared shared, Own own) {
    world_.add(who,
               role_factory([=](context& c) { return std::make_unique<Role>(c, shared, own); }));
  }

  void add_worker(std::uint64_t worker, const std::vector<address>& holder_of_block) {
    add<layer_shard>(
        numbered(role_kind::layer_shard, worker),
        std::make_shared<const layer_shard_plan>(
            layer_shard_options{.microbatches = job_.microbatches,
                                .criterion = job_.criterion,
                                .schedule = {{op_kind::forward, 0, 0},
                                             {op_kind::backward, 0, 0},
                                             {op_kind::forward, 0, 1},
                                             {op_kind::backward, 0, 1}},
                                .own_blocks = std::vector<bool>(blocks(), true),
                                .holders = holder_of_block,
                                .director = director_,
                                .kernels = job_.kernels,
                                .pulls = true,
                                .every = workers_,
                                .steps_per_epoch = static_cast<std::uint64_t>(steps_per_epoch_)}),
        layer_shard_place{.own = {0, job_.microbatches},
                          .spans = tree_cover(job_.microbatches, {0, job_.microbatches}),
                          .loader = numbered(role_kind::data_loader, worker)});
  }

  void sent(const address& from, const message& m) {
    if (const auto* done = std::get_if<protocol::committed>(&m)) acknowledged(*done);
    const auto* read = std::get_if<protocol::parameters>(&m);
    if (read != nullptr && from.role == role_kind::parameter_holder) may_be_read(*read);
  }

  // The holder's acknowledgement: of each step once, in one order without gaps.
  void acknowledged(const protocol::committed& m) {
    const auto b = static_cast<std::size_t>(m.block);
    CHECK(m.version == log_[b].size() + 1);
    CHECK(std::find(log_[b].begin(), log_[b].end(), m.step) == log_[b].end());
    log_[b].push_back(m.step);
    digests_[m.block] = m.digest;
    auto& clocks = applied_[b][m.step % workers_];
    CHECK(m.step / workers_ == clocks); // a worker's updates in their order
    ++clocks;
  }

  // What a worker reads has its own updates, and nobody who still computes is too far behind.
  void may_be_read(const protocol::parameters& m) const {
    const auto& clocks = applied_[static_cast<std::size_t>(m.block)];
    const auto clock = m.step / workers_;
    CHECK(clocks[m.step % workers_] >= clock);
    if (order_.kind != consistency_kind::bounded) return;
    for (std::uint64_t w = 0; w < workers_; ++w)
      if (clocks[w] * workers_ + w < static_cast<std::uint64_t>(steps_))
        CHECK(clocks[w] + order_.staleness >= clock);
  }

  // The first copy of an update that a holder hears is the one that it applies.
  void heard(const address& to, const message& m) {
    const auto* update = std::get_if<protocol::reduced_gradient>(&m);
    if (update == nullptr || to.role != role_kind::parameter_holder) return;
    accepted_[static_cast<std::size_t>(update->block)].try_emplace(update->step, update->value);
  }

  void recorded(const message& m) {
    if (const auto* step = std::get_if<protocol::step_committed>(&m))
      if (recorded_.insert(step->step).second)
        CHECK(static_cast<std::int64_t>(step->step) == committed_steps_++);
    if (const auto* end = std::get_if<protocol::job_ended>(&m)) {
      CHECK(end->failure.what.empty());
      ended_ = true;
    }
  }

  // The digest of a block to which the accepted updates are applied in the acknowledged order.
  [[nodiscard]] std::uint64_t replayed(std::size_t b) const {
    const auto rule = std::make_shared<block_rule>(
        *job_.layout, static_cast<int>(b), job_.rule, std::vector<tensor>{});
    tensor now = job_.start[b];
    for (std::size_t version = 0; version < log_[b].size(); ++version) {
      block_update update;
      update.block = rule;
      update.step = version;
      update.old_parameters = now;
      update.gradient = accepted_[b].at(log_[b][version]);
      update.new_parameters = buffer_pool::global().take(now.dims());
      update.rule = job_.rule;
      update.rate = job_.rate.at(static_cast<std::int64_t>(version), steps_);
      update.microbatches = static_cast<float>(job_.microbatches);
      update.run(0, rule->chunks.size());
      now = std::move(update.new_parameters).freeze();
    }
    return rule->digest();
  }

  const small_server_job& job_;
  chance chance_;
  disordered_world world_;
  std::uint64_t workers_ = 1;
  int holders_ = 1, deaths_ = 0;
  std::int64_t steps_ = 1, steps_per_epoch_ = 1;
  consistency order_;

  std::vector<std::vector<std::uint64_t>> applied_;       // clocks, by block and worker
  std::vector<std::vector<std::uint64_t>> log_;           // steps, by block in their order
  std::vector<std::map<std::uint64_t, tensor>> accepted_; // by block and step
  std::map<int, std::uint64_t> digests_;                  // newest, by block
  std::set<std::uint64_t> recorded_;
  std::int64_t committed_steps_ = 0;
  bool ended_ = false;
};

void check_seed(const small_server_job& j, std::uint64_t seed) {
  watched_server server(j, seed);
  INFO(fmt::format("TROUPE_DISORDER_SEED={} build/release/tests/test_actors -tc=\"{}\"\n{}",
                   seed,
                   test_name,
                   server.text()));
  server.run();
  server.check();
}

} // namespace

TEST_CASE(test_name) {
  const small_server_job j;
  REQUIRE(j.blocks() > 1);
  for_each_seed("TROUPE_DISORDER_SEED",
                "TROUPE_DISORDER_SEEDS",
                unless_sanitized(1000, 40),
                [&](std::uint64_t seed, bool) { check_seed(j, seed); });
}
