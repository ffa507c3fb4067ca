// A residual keeper survives its layer shard: it keeps what the shard's codec left out of the last
// gradients (error feedback), so that a new incarnation goes on with the same bits; and a new
// keeper has it from the shard. Where each would have it from the other, it is lost. It is on the
// shard's node; nothing of it crosses between nodes. What is to be saved it keeps until it is
// written.
#pragma once

#include "actors/runtime/role.hpp"
#include "actors/shard_writer.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace troupe {

struct residual_keeper_options {
  address shard, director;
  std::vector<protocol::residual> start; // for the first step; every step has so many
  std::uint64_t steps_kept = 4;
  std::shared_ptr<const parameter_layout> layout;
  std::vector<std::uint32_t> nodes = {}; // of the reduction tree, by their first microbatches
  std::uint64_t save_every = 0;          // steps; 0: only where training has paused
};

class residual_keeper final : public role_of<residual_keeper> {
public:
  residual_keeper(context& world, residual_keeper_options options);

  [[nodiscard]] std::vector<wait> waits() const override;
  void on(const protocol::residual& m);
  void on(const protocol::want_residuals& m);
  void on(const protocol::restarted& m);
  void on(const protocol::want_shard& m);
  void on(const protocol::shard_done& m);

private:
  using residuals = std::map<std::pair<int, std::uint32_t>, tensor>; // by block, first microbatch

  [[nodiscard]] bool lacks(std::uint64_t step) const;
  void ask_shard(std::uint64_t step);
  void tell_shard(const protocol::residual& m);
  void forget();
  void write_shard();
  [[nodiscard]] bool is_overtaken(std::uint64_t step) const;

  context& world_;
  const residual_keeper_options options_; // without the residuals
  std::vector<std::pair<int, std::uint32_t>> own_;
  std::map<std::uint64_t, residuals> kept_; // by step
  // The last one: residuals of its step may still come.
  std::optional<protocol::want_residuals> wanted_;
  std::optional<std::uint64_t> asked_of_shard_; // step
  std::optional<std::uint64_t> lost_; // step for which the director was told that nobody has them
  shard_writer shard_;
  std::uint64_t saved_ = 0; // nothing of a step below is saved any more
};

} // namespace troupe
