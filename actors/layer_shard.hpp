// A layer shard computes one part of the model, or several, for a run of the microbatches of every
// batch, in the order of a schedule. It holds nothing that must outlive a step: parameters come
// from the holders by version, batches from its loader by key, boundary values from the shards of
// the other parts, and what it has sent itself is kept until the step is committed, so that it can
// be sent again.
//
// Act rule: the next operation of the schedule is computed when its step is permitted, all blocks
// of the parameters for the step are here, what it reads is here, and the kernels are idle.
//
// Where others were faster (a backup, its predecessor), it leaves a committed step as it is.
//
// A worker (of a parameter server) computes every W-th step, whole, and pulls parameters for it. A
// stage that stashes weights (`delay` d) runs the forward pass of step t + d before the backward
// pass of step t; both passes of a step use the version that is d updates old.
#pragma once

#include "actors/address.hpp"
#include "actors/credit_ledger.hpp"
#include "actors/depth_credit.hpp"
#include "actors/pool.hpp"
#include "actors/runtime/role.hpp"
#include "actors/shard_kernels.hpp"
#include "actors/shard_shares.hpp"
#include "actors/small_map.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

namespace troupe {

// What layer shards of many replicas have in common.
struct layer_shard_options {
  std::uint32_t microbatches = 1; // of a batch, or of its island's run of it, in all
  std::uint32_t first = 0;        // of the island
  std::uint64_t seed = 0;
  std::shared_ptr<const loss> criterion;
  std::vector<schedule_op> schedule; // of a step; microbatches counted from the first of its run
  bool reads_input = true, computes_loss = true;
  std::vector<crossing> crossings; // of the model
  bool recompute = false;
  std::vector<bool> own_blocks;     // by block: has parameters of its parts
  std::vector<address> aggregators; // by block; its own group's, if there are groups
  std::vector<address> holders;     // by block
  address director;
  address recorder{.role = role_kind::recorder};
  std::shared_ptr<pool<shard_kernels>> kernels;

  bool pulls = false;                // a worker; its gradients go to the holders as they are
  bool runs_ahead = false;           // others' steps may be behind: says where it is
  std::uint64_t every = 1;           // computes each of so many steps
  std::uint64_t delay = 0;           // steps that forward runs ahead of backward
  std::uint64_t steps_per_epoch = 1; // no delay reaches into the epoch before
  std::uint64_t steps = no_bound;    // of the job: no batch is asked for beyond

  std::vector<std::shared_ptr<const block_codec>> codecs; // by block; empty: none

  bool dealt = false;           // the director says of each step which run to compute
  std::vector<tree_span> nodes; // then: what is summed and compressed in one; empty: anything
};

// With what follows from it: made once, and kept by all of them.
struct layer_shard_plan : layer_shard_options {
  explicit layer_shard_plan(layer_shard_options options);

  std::size_t blocks = 0;                       // of its own
  std::size_t residuals_of_span = 0;            // how many a step reads
  std::vector<std::size_t> forwards, backwards; // with a delay: indices into the schedule
  std::shared_ptr<const depth_facts> depth;
};

// What is one's own.
struct layer_shard_place {
  tree_span own; // its run of the microbatches of every batch; not used where shares are dealt
  std::vector<tree_span> spans;       // its nodes of the reduction tree, whose sums are handed on
  int group = 0;                      // of replicas, from 1; 0: it has none
  std::vector<address> shard_of_part; // of its replica
  address loader;
  address keeper; // of residuals, where the codec has them
};

class layer_shard final : public role_of<layer_shard> {
public:
  layer_shard(context& world,
              std::shared_ptr<const layer_shard_plan> plan,
              layer_shard_place place);

  void started() override;
  [[nodiscard]] std::vector<wait> waits() const override;
  void on(const protocol::begin_step& m);
  void on(const protocol::set_credit& m);
  void on(const protocol::parameters& m);
  void on(const protocol::batch& m);
  void on(const protocol::boundary& m);
  void on(const protocol::boundary_ready& m);
  void on(const protocol::microbatch_report& m);
  void on(const protocol::gradient_ready& m);
  void on(const protocol::operations_begun& m);
  void on(const protocol::operations_done& m);
  void on(const protocol::residual& m);
  void on(const protocol::residual_ready& m);
  void on(const protocol::want_residuals& m);
  void on(const protocol::depth_used& m);
  void on(const protocol::restarted& m);

private:
  using batch_key = std::pair<std::uint64_t, std::uint32_t>;       // step, microbatch
  using value_key = std::tuple<std::uint64_t, std::uint32_t, int>; // and crossing

  // What computes a step, from its first operation to its last: so a process has no more of them
  // than threads, however many shards it has. Of the step's computations.
  struct lent_kernels {
    std::shared_ptr<shard_kernels> kernels;
    std::size_t operations = 0; // that are done
    int in_flight = 0;          // after them
    protocol::memory_used used; // the most by then
  };

  // A step that has begun and is not computed to its end.
  struct step_state {
    std::shared_ptr<const shard_share> mine;
    std::size_t operations = 0; // of its share
    // By block; those of other parts are empty.
    std::shared_ptr<const std::vector<tensor>> parameters;
    std::shared_ptr<lent_kernels> lent = std::make_shared<lent_kernels>();
    std::vector<bool> computed; // by operation of the schedule, or being computed, or not its own
  };

  struct operation {
    std::uint64_t step = 0;
    std::size_t index = 0; // into the schedule
  };

  void act();
  void skip_committed();
  [[nodiscard]] bool handed_on() const;
  void tell_share(bool overtaken);
  void tell_where();
  [[nodiscard]] std::vector<operation> due();
  [[nodiscard]] std::vector<operation> due_by_credit();
  [[nodiscard]] protocol::credit_used depth_of(int part, std::uint64_t in_flight) const;
  [[nodiscard]] bool can(const operation& o);
  bool begin(std::uint64_t step);
  void end_step();
  void pull(std::uint64_t step);
  void pull_from(std::uint64_t step, const address* only);
  void want_batches(std::uint64_t last);
  void note_prefetch(std::uint64_t step, std::uint64_t bound);
  void ask(const batch_key& key);
  [[nodiscard]] std::uint64_t version_for(std::uint64_t step) const;
  [[nodiscard]] bool same_epoch(std::uint64_t a, std::uint64_t b) const;
  [[nodiscard]] bool was_read(std::uint64_t step, std::uint32_t microbatch, int crossing) const;
  [[nodiscard]] bool reads(const schedule_op& op, int crossing) const;
  [[nodiscard]] shard_kernels::task task_of(const operation& o) const;
  void compute(const std::vector<operation>& run);
  void forget(const operation& o);
  void measure_memory();
  [[nodiscard]] bool has_residuals(std::uint64_t step) const;
  [[nodiscard]] address aggregator_of(int block) const;
  [[nodiscard]] address summer_of(int block) const;
  void hand_on(const protocol::gradient& g);
  void send_residuals(std::uint64_t step);
  void add_waits_to_begin(std::vector<wait>& out, std::uint64_t step) const;
  void add_waits(std::vector<wait>& out, const operation& o) const;

  [[nodiscard]] const schedule_op& at(const operation& o) const {
    return options_.schedule[o.index];
  }

  [[nodiscard]] std::uint32_t microbatch_of(const operation& o) const {
    return steps_.at(o.step).mine->run.first + at(o).microbatch;
  }

  context& world_;
  const std::shared_ptr<const layer_shard_plan> plan_;
  const layer_shard_plan& options_ = *plan_;
  const std::size_t residuals_of_step_; // how many a step reads
  shard_shares shares_;
  const layer_shard_place place_; // without the spans, which its share has
  bool begun_ = false;
  std::int64_t permitted_ = -1; // last permitted step
  std::uint64_t committed_ = 0; // its first step that is not known to be committed
  std::uint64_t recorded_ = 0;  // steps below are on record
  std::uint64_t step_ = 0;      // the oldest that is not computed to its end
  std::size_t next_ = 0;       // its first that is not computed; with a delay, of the backward ones
  std::uint64_t ahead_ = 0;    // with a delay: the step whose forward pass is next,
  std::size_t ahead_next_ = 0; // and the operation of it
  bool busy_ = false;
  std::vector<operation> computing_;
  small_map<std::uint64_t, step_state> steps_;
  std::optional<std::chrono::nanoseconds> kernels_began_;     // those that are being computed
  std::chrono::nanoseconds computed_for_{0};                  // of step_, what is done
  small_map<std::uint64_t, small_map<int, tensor>> incoming_; // by version, or step of a pull
  small_map<int, std::pair<std::uint64_t, tensor>> cache_;    // newest pulled, by block
  std::uint64_t pulled_ = 0;                                  // steps below are asked for
  small_map<batch_key, microbatch_data> batches_;
  std::uint64_t wanted_ = 0;                         // batches of steps below are asked for
  small_map<batch_key, std::uint64_t> asked_;        // under which credit for prefetch
  small_map<value_key, tensor> values_;              // that have not been read
  std::vector<protocol::boundary> sent_;             // of steps that are not committed
  std::vector<protocol::microbatch_report> reports_; // of steps that are not on record
  std::vector<protocol::gradient> unacknowledged_;   // of steps that are not in the parameters
  std::uint64_t prefetch_ = 1;                       // steps
  depth_credit depth_;
  std::uint64_t computing_depth_ = 0; // what it was when the operations began
  std::uint64_t revision_ = 0;        // of the credit that it has heard of
  credit_ledger credit_;
  protocol::memory_used memory_; // that is told
  // By step, from the first that is not committed: a new keeper has them from here.
  std::map<std::uint64_t, std::map<std::pair<int, std::uint32_t>, tensor>> residuals_;
};

} // namespace troupe
