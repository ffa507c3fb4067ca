// A residual keeper survives its layer shard: it keeps what the shard's codec left out of the last
// gradients (error feedback), so that a new incarnation goes on with the same bits; and a new
// keeper has it from the shard. Where each would have it from the other, it is lost. It is on the
// shard's node; nothing of it crosses between nodes.
#pragma once

#include "actors/runtime/role.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace troupe {

struct residual_keeper_options {
  address shard, director;
  std::vector<protocol::residual> start; // for the first step; every step has so many
  std::uint64_t steps_kept = 4;
};

class residual_keeper final : public role_of<residual_keeper> {
public:
  residual_keeper(context& world, residual_keeper_options options);

  [[nodiscard]] std::vector<wait> waits() const override;
  void on(const protocol::residual& m);
  void on(const protocol::want_residuals& m);
  void on(const protocol::want_state& m);
  void on(const protocol::restarted& m);

private:
  [[nodiscard]] bool lacks(std::uint64_t step) const;
  void ask_shard(std::uint64_t step);
  void tell_shard(const protocol::residual& m);
  void tell_saving(const protocol::residual& m);

  context& world_;
  const address shard_, director_;
  const std::size_t residuals_of_step_;
  const std::uint64_t steps_kept_;
  std::map<std::uint64_t, std::map<std::pair<int, std::uint32_t>, tensor>> kept_; // by step
  // The last of each: residuals of its step may still come.
  std::optional<protocol::want_residuals> wanted_;
  std::optional<protocol::want_state> asked_;
  std::optional<std::uint64_t> asked_of_shard_; // step
};

} // namespace troupe
