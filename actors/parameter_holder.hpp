// A parameter holder owns some blocks of the parameters: the values, the optimizer's state and the
// version. It applies the summed gradient of a step once and publishes the new version as an
// immutable tensor: nobody ever sees half of an update. It keeps the version before, too. A shard
// that dies when some blocks of a step are applied and others are not must compute that step again,
// from parameters of one version.
//
// Synchronous: step t makes version t + 1. Asynchronous: the updates of workers are applied as they
// come, each once (a ledger of clocks per block), and a worker's pull is answered when its
// staleness bound allows it. The bound is a dial: what is in force when a pull is answered counts.
// Who pulls for the same step again, a worker's new incarnation, gets the same version, also of a
// block whose update is applied and of which the next step was read: its other stages have computed
// a part of the step with it, and may need more.
//
// Islands: each has holders of its own, and others hold the outer parameters. To these, an island's
// holder is what a layer shard is to it: at the end of a round it sends how far it has come as a
// gradient, and the version that it publishes is what it gets back.
//
// What is saved goes on: a version that is due is frozen when it is published, and written outside
// of the holder (actors/saved_holder.cpp).
//
// A holder may have copies (actors/holder_copies.hpp). Its head takes up what others send; the
// copies do what the head's log says, and say nothing to others.
#pragma once

#include "actors/address.hpp"
#include "actors/consistency.hpp"
#include "actors/credit_ledger.hpp"
#include "actors/holder_block.hpp"
#include "actors/holder_copies.hpp"
#include "actors/outer_rounds.hpp"
#include "actors/runtime/role.hpp"
#include "actors/shard_writer.hpp"
#include "ops/block_codec.hpp"
#include "ops/learning_rate.hpp"
#include "ops/optimizer.hpp"
#include "ops/parameter_layout.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

namespace troupe {

struct held_block {
  int block = 0;
  tensor parameters;         // of `version`
  std::vector<tensor> slots; // optimizer state to start from; empty: zeros
  // Of an island: the outer parameters, and what the codec has left out of the last delta.
  tensor round_start, residual;
};

struct parameter_holder_options {
  std::uint64_t version = 0;
  std::vector<held_block> blocks;
  std::shared_ptr<const parameter_layout> layout;
  optimizer rule;
  learning_rate rate;
  std::int64_t total_steps = 0;
  std::uint32_t microbatches = 1;
  std::vector<std::vector<address>> readers; // layer shards, or holders of islands, by block
  address director;
  int parts_max = 1;             // computations that may share the update of a big block
  std::size_t versions_kept = 2; // while the next one is made
  std::size_t commits_kept = 2;  // for a new director; of workers' updates, all that it may need
  consistency order;
  std::uint64_t workers = 1; // whose updates are applied as they come
  // By block; of workers' gradients, of an island's deltas.
  std::vector<std::shared_ptr<const block_codec>> codecs = {};
  std::uint32_t islands = 0; // 0: none
  std::uint32_t island = 0;  // from 1; 0: the outer parameters, a version of which is a round's
  outer_rounds rounds = {};
  std::vector<address> outer_aggregators = {}; // of an island, by block
  std::uint64_t seed = 0;
  std::vector<address> copies = {}; // the head first; empty: it has none
  std::uint64_t save_every = 0;     // steps, while training goes on; 0: only where it has paused
};

class parameter_holder final : public role_of<parameter_holder> {
public:
  parameter_holder(context& world, parameter_holder_options options);

  void started() override;
  void receive(const message& m) override;
  [[nodiscard]] std::vector<wait> waits() const override;
  void on(const protocol::reduced_gradient& m);
  void on(const protocol::updated& m);
  void on(const protocol::want_parameters& m);
  void on(const protocol::pull_parameters& m);
  void on(const protocol::want_state& m);
  void on(const protocol::want_shard& m);
  void on(const protocol::shard_done& m);
  void on(const protocol::set_credit& m);
  void on(const protocol::parameters& m);
  void on(const protocol::restarted& m);
  void on(const protocol::log_entry& m);
  void on(const protocol::log_kept& m);
  void on(const protocol::want_copy& m);
  void on(const protocol::holder_copy& m);

private:
  [[nodiscard]] std::uint64_t next_step(const holder_block& block) const;
  [[nodiscard]] std::shared_ptr<const block_codec> codec_of(int block) const;
  void update_next(int block);
  void begin_update(int block, const protocol::reduced_gradient& m);
  void compute_update(int block, bool encoded);
  void publish(int block, tensor parameters);
  void send_delta(int block);
  void correct_staleness(holder_block& block, block_update& update) const;
  void answer_pulls(int block);
  static void apply_clock(holder_block& block);
  worker_read read_now(int block, const protocol::pull_parameters& p);
  void adopt(int block, const tensor& outer);
  void say(const holder_block& block, const address& to, message m);
  void tell(holder_block& block, const protocol::committed& done);
  static void forget_commits(holder_block& block, std::uint64_t recorded);
  void add_wait(std::vector<wait>& out, int index, const holder_block& block) const;

  // Of checkpoints: actors/saved_holder.cpp.
  [[nodiscard]] std::uint64_t version_at(std::uint64_t steps) const;
  [[nodiscard]] bool is_saved_from(std::uint64_t version, std::uint64_t steps) const;
  void keep_if_saved(holder_block& block);
  void write_shard();
  shard_content content_of(std::uint64_t version);

  // Of copies: actors/copied_holder.cpp.
  void write(holder_block& block, protocol::log_entry e);
  void write_update(int block, const protocol::reduced_gradient& m);
  void do_entries(int block);
  bool do_entry(holder_block& block, const protocol::log_entry& e);
  void answer_copies();
  void take_over(const holder_copies::state& s);
  void say_again();
  void say_lost();
  [[nodiscard]] bool is_director(const message& m) const;

  context& world_;
  const parameter_holder_options options_;
  consistency order_; // in force; a dial changes its bound
  std::uint64_t revision_ = 0;
  credit_ledger credit_;
  std::map<int, holder_block> blocks_;
  holder_copies copies_;
  shard_writer shard_;
  std::vector<message> early_; // that came before a restarted head had a state
};

} // namespace troupe
