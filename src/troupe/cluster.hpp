// Brings a wiring to life: `cluster{}.start(wiring)` spawns its actors, in this process or in those
// of a cluster, and returns the run.
#pragma once

#include "actors/address.hpp"
#include "actors/cluster_figures.hpp"
#include "actors/credit.hpp"
#include "actors/fault_point.hpp"
#include "actors/runtime/simulation/report.hpp"
#include "actors/runtime/world_observer.hpp"
#include "actors/shares.hpp"
#include "actors/supervision/supervision_tree.hpp"
#include "actors/wait_graph.hpp"
#include "ops/parameter_layout.hpp"
#include "ops/tensor.hpp"
#include "troupe/cluster_environment.hpp"
#include "troupe/credit_use.hpp"
#include "troupe/faults.hpp"
#include "troupe/shard_memory.hpp"
#include "troupe/staleness_count.hpp"
#include "troupe/topology.hpp"
#include "troupe/wiring.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace troupe {

// What a run tells its observer, in order; called from one of the run's threads, must return soon.
struct step_event {
  std::int64_t step = 0;    // committed steps so far, this one included
  double loss = 0;          // mean over the batch; NaN: all of its reports were lost
  double accuracy = 0;      // of the batch, 0..1
  std::uint64_t digest = 0; // of the parameters after the step
  double seconds = 0;       // since training began, evaluation and saving excluded
  // Asynchronous jobs: updates that one did not see, and clocks that its worker was ahead, with the
  // bound that was in force when it read.
  std::uint64_t staleness = 0;
  std::uint64_t lead = 0;
  std::uint64_t lead_bound = no_bound;
  // Where shares are dealt step by step: who computed what, in the order of the microbatches and
  // then the backups; and how many layer shards were overtaken since the step before.
  std::vector<replica_share> shares;
  std::uint64_t overtaken = 0;
  // Asynchronous jobs: so many microbatches died unreported, with the director and the layer shard
  // that knew; `loss` is the mean over the others.
  std::uint32_t reports_lost = 0;
};

struct epoch_event {
  std::int64_t epoch = 0; // from 1
  double train_loss = 0, train_accuracy = 0;
  double test_loss = 0, test_accuracy = 0;             // 0 without a test set
  double validation_loss = 0, validation_accuracy = 0; // 0 without a validation set
  double images_per_second = 0;
  std::uint64_t digest = 0;
};

struct fault_event {
  address who;
  incarnation now = 0;   // the incarnation that replaced it
  std::int64_t step = 0; // steps committed when it happened
  std::string reason;
  double recovery_ms = 0; // from death to ready
};

// What an actor knew is lost with all of its copies: the job went back to where all of it is known,
// and computes the steps since then again, to the same bits. They are not told again.
struct rollback_event {
  std::int64_t step = 0;  // steps committed when it happened
  std::int64_t to = 0;    // steps that are kept
  std::string checkpoint; // they come from; empty: from where the run began
  std::string reason;
};

// A checkpoint is durable; or could not be written: the job goes on with those that there are.
struct saved_event {
  std::string path;      // its folder
  std::int64_t step = 0; // whose state it has; others may have been committed since
  std::string problem;   // empty: none
};

// Of a cluster of several nodes. Told in between the others, by any thread.
struct node_event {
  enum class kind { waiting, up, down, refused };

  kind what = kind::waiting;
  std::vector<std::uint32_t> nodes; // that are waited for, or the one
  std::string text;                 // "waiting for 1 of 4 nodes: 3"
};

// Of a cluster of several nodes, by node 0: its nodes and links, about once a second.
using links_event = cluster_figures;

// Of a live job, by the node that leads: no step was committed for max(2 s, three times as long as
// nearly all steps take), and it is not for slow computing. Once, until a step is committed again.
struct stalled_event {
  std::int64_t step = 0; // committed so far
  double seconds = 0;    // since the last one
  std::string text;      // "step 12 waits for layer_shard/1: node 2 does not answer"
  wait_graph waits;
};

// A fault that is injected, when it happens. Told in between the others, by any thread.
using injection_event = fault_record;

using run_event = std::variant<step_event,
                               epoch_event,
                               fault_event,
                               rollback_event,
                               saved_event,
                               node_event,
                               links_event,
                               stalled_event,
                               injection_event>;

// Where an actor is killed: {who, step, 4} when it has handled its fourth message of the step.
using planned_kill = fault_point;

// The kernels of the actor at `who` take `factor` times as long as they compute. No core is busy
// meanwhile, and no bit of a synchronous job changes.
struct slow_actor {
  static constexpr double factor_max = 1e6;

  address who;
  double factor = 1; // 1 to factor_max
};

struct run_options {
  std::string checkpoint_folder;     // empty: none are written
  std::int64_t checkpoint_every = 0; // steps; 0: at each epoch's end (with a folder)
  int checkpoints_kept = 3;
  std::string load_weights; // safetensors of a state_dict to start from
  std::string resume;       // checkpoint file, or a folder whose newest valid one is taken
  bool evaluate = true;     // test and validation set after each epoch
  std::vector<planned_kill> kills;
  std::vector<slow_actor> slow;
  std::vector<injected_fault> faults; // of this run, as run::inject; docs/faults.md
  std::vector<dial> dials;            // set when so many steps are committed; see docs/credit.md
  std::function<void(const run_event&)> observer;
  std::shared_ptr<world_observer> watch; // every message and every computation: run_timeline.hpp
  std::optional<supervision_tree> supervision; // none: default_supervision(wiring)
  // Of a live run, the node that leads: a Unix socket that is made here, on which other programs of
  // this user may ask the run something (control_server.hpp, `troupe why`); empty: none.
  std::string control;
};

struct run_result {
  // Of how many nodes this is which. Node 0 has all that follows; the others have steps, digest,
  // `interrupted` and what their process used.
  std::uint32_t node = 0, nodes = 1;
  std::int64_t steps = 0;  // committed in all, earlier runs of a resumed job included
  std::int64_t epochs = 0; // completed
  double train_loss = 0, train_accuracy = 0; // of the last (part of an) epoch
  bool tested = false; // after the last epoch that ended; else what follows is 0
  double test_loss = 0, test_accuracy = 0;
  double images_per_second = 0; // of this run, evaluation and saving excluded
  double seconds = 0;           // likewise; of a simulated cluster: virtual
  std::int64_t restarts = 0;
  std::vector<fault_record> faults;    // that were injected
  std::int64_t rollbacks = 0;          // to a checkpoint, or to where the run began
  staleness_count staleness;           // of this run's updates; empty if the job is synchronous
  std::vector<credit_use> credit;      // by edge and bound, what was used
  std::vector<replica_share> shares;   // of the last step, where they are dealt step by step
  std::uint64_t overtaken = 0;         // shares of layer shards that others had finished before
  std::uint64_t peak_memory_bytes = 0; // of the process
  std::vector<shard_memory> memory;    // of each layer shard; whole after two steps
  std::uint64_t parameter_digest = 0;
  bool interrupted = false; // stop() ended it
  bool drained = false;     // of a node whose actors went on elsewhere: the job goes on without it
  std::string last_checkpoint;                  // path; empty if none was written
  std::vector<std::string> skipped_checkpoints; // that --resume found invalid
  std::optional<simulation_report> simulation;  // of a simulated cluster

  parameter_layout layout;
  std::vector<tensor> parameters; // packed blocks, of layout

  void save_weights(const std::string& path) const; // state_dict as safetensors; by node 0 alone
};

class run {
public:
  run(run&&) noexcept;
  run& operator=(run&&) noexcept;
  ~run(); // stops and waits

  run_result wait();    // throws error if the job failed (NaN loss, a role that keeps dying ...)
  void stop() noexcept; // finish the step, save, end; safe from any thread
  void kill(const address& who);        // at the next message boundary; its supervisor restarts it
  void inject(const injected_fault& f); // from any thread; throws error where it cannot happen
  void calm(); // what is injected and still to come does not happen, but for repairs; any thread
  [[nodiscard]] std::vector<fault_record> faults() const; // so far; any thread
  [[nodiscard]] std::uint32_t node() const;               // that this process is; 0 leads
  // Lets the actors of another node go on elsewhere; then its run::wait() returns, with `drained`.
  // A process that comes with its number is taken in again. From any thread of node 0; throws error
  // where that cannot be.
  void drain(std::uint32_t node);
  void set(const dial& d); // from any thread; throws error where the wiring does not allow it

  // Who waits for what at this moment, and who is to blame (actors/wait_graph.hpp, docs/why.md):
  // from any thread, within a second, whoever is stuck. Node 0 asks all nodes.
  [[nodiscard]] wait_graph why() const;

  struct impl;
  explicit run(std::unique_ptr<impl> impl);

private:
  std::unique_ptr<impl> impl_;
};

struct cluster {
  int compute_threads = 0; // of this process; 0: one per layer shard, at most the machine's cores
  // Which node of how many this process is; none: as its environment says (docs/launching.md). Role
  // r of the wiring is played by the node r.node modulo their number. Every node runs the same
  // program: node 0 leads, and the others serve until it says that the job is over.
  std::optional<node_place> place = {};
  std::chrono::milliseconds join_within{300'000};  // for all nodes to come
  std::chrono::milliseconds rejoin_within{60'000}; // for one that was lost
  // After so long its actors go on on other nodes, and home when it is there again; none: they
  // wait.
  std::optional<std::chrono::milliseconds> move_after = {};
  std::chrono::milliseconds figures_every{1'000}; // links_event; of very many links less often

  // Throws error before anything is spawned. With several nodes, node 0 returns when all are there.
  [[nodiscard]] run start(const wiring& w, run_options options = {}) const;
};

// Loss and accuracy of given parameters on a data set.
struct evaluation {
  double loss = 0, accuracy = 0;
  std::int64_t images = 0;
};

evaluation evaluate(const model& m,
                    const std::string& weights,
                    const dataset_ptr& data,
                    const pixel_transform& pixels,
                    const loss& l);

std::uint64_t peak_memory_bytes(); // of this process (VmHWM)

} // namespace troupe
