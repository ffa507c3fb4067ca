// A checkpointer makes the folder of a checkpoint, lets holders and keepers write their shards into
// it while training goes on, and writes the manifest when all of them are durable. Then it retires
// the oldest checkpoints. Where anybody cannot write its shard, what the others have written is
// removed, and the director is told why; the job goes on, with the checkpoints that it has. It
// knows nothing that a successor would need: that one asks again, and is answered again.
#pragma once

#include "actors/address.hpp"
#include "actors/outer_rounds.hpp"
#include "actors/runtime/role.hpp"
#include "ops/files/checkpoint_manifest.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace troupe {

struct checkpointer_options {
  std::size_t blocks = 0;
  std::vector<address> writers; // of shards: the heads of holders, keepers of residuals
  std::vector<address> holders; // of the parameters; of islands, of the outer ones
  // Of each checkpoint; but for the step, the shards, and whether islands are within a round.
  checkpoint_manifest manifest;
  outer_rounds rounds;
  address director{.role = role_kind::director};
  int kept = 3;
};

class checkpointer final : public role_of<checkpointer> {
public:
  checkpointer(context& world, checkpointer_options options);

  [[nodiscard]] std::vector<wait> waits() const override;
  void on(const protocol::save& m);
  void on(const protocol::restarted& m);
  void on(const protocol::state& m);
  void on(const protocol::shard_written& m);
  void on(const protocol::written& m);

private:
  enum class stage { idle, making_folder, shards, completing, collecting };

  void ask_for_shard(const address& writer);
  void ask_for_state(const address& holder);
  void complete();
  void collect();
  void answer();

  context& world_;
  const std::shared_ptr<const checkpointer_options> options_;
  stage stage_ = stage::idle;
  protocol::save wanted_;
  std::map<address, protocol::shard_written> shards_;
  std::map<int, tensor> parameters_; // by block
  protocol::saved answer_;           // to what was wanted last
};

} // namespace troupe
