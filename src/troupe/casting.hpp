// Gives each address of a wiring the role that is played there.
#pragma once

#include "actors/data_loader.hpp"
#include "actors/recorder.hpp"
#include "actors/runtime/role.hpp"
#include "actors/shard_kernels.hpp"
#include "ops/program.hpp"
#include "troupe/cluster.hpp"
#include "troupe/starting_state.hpp"
#include "troupe/wait_sources.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace troupe {

// The holder of each block, as a place in `holders`; balanced by bytes: the largest block first, to
// whom has least of those who may hold it.
std::vector<int> assign_blocks(const parameter_layout& layout,
                               const std::vector<wired_role>& holders,
                               const std::vector<int>& part_of_block);

// How the programs of a wiring's layer shards are compiled, but for the part.
compile_options compile_options_of(const wiring& w);

// How many programs of each of its parts a layer shard computes with: one for each microbatch in
// flight. Layer shards of the same plan share a pool.
struct kernel_plan {
  std::vector<std::pair<int, int>> in_flight; // part, programs
  bool split_backward = false;
  std::string device = {}; // empty: the CPU

  friend auto operator<=>(const kernel_plan&, const kernel_plan&) = default;
};

kernel_plan kernel_plan_of(const wiring& w, const wired_role& shard);

// Steps that forward runs ahead of backward, where weights are stashed. Each has programs of its
// own.
std::uint64_t delay_of(const wiring& w, const wired_role& shard);

// The most microbatches whose activations a layer shard keeps at once, counted for each part; with
// a delay a bound from above.
int most_in_flight(const wiring& w, const wired_role& shard);

using program_compiler =
    std::function<std::unique_ptr<program>(const graph&, const compile_options&)>;

// For a device of that name, opened for what it compiles; empty: for the CPU. Throws error.
program_compiler compiler_for(const std::string& device);

std::vector<shard_kernels::part> compiled(const graph& g,
                                          const kernel_plan& plan,
                                          compile_options options,
                                          const program_compiler& compile = compile_cpu);

// What takes the place of computing and reading, where a simulation leaves them out.
struct stand_ins {
  program_compiler compile = {}; // on whatever device; empty: for the role's own
  microbatch_source source = {}; // of all data loaders; empty: the training set is read
};

class casting {
public:
  // Compiles the programs of all layer shards that are played here (`plays` empty: all), so that
  // none does it while the clock runs. Throws error where their devices are not here.
  casting(std::shared_ptr<const wiring> w,
          std::shared_ptr<const parameter_layout> layout,
          checkpoint start,
          const run_options& options,
          recorder_options recorder,
          int kernel_threads,
          stand_ins instead = {},
          const std::function<bool(const address&)>& plays = {});

  // REQUIRES: one of the wiring's roles.
  [[nodiscard]] role_factory role_at(const wired_role& where) const;

  void begin_at(checkpoint start) const; // roles that begin from now on

  [[nodiscard]] wait_sources sources() const;

private:
  struct impl;
  std::shared_ptr<impl> impl_; // shared with what role_at() has made
};

} // namespace troupe
