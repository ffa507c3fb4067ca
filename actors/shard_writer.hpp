// Writes what one actor has of a checkpoint, once, outside of it, and answers who asks. Who asks
// again, a new checkpointer, gets the same answer. Holders and keepers have one each.
#pragma once

#include "actors/checkpoint_files.hpp"
#include "actors/protocol/checkpointer.hpp"
#include "actors/runtime/context.hpp"
#include "ops/files/checkpoint_shard.hpp"
#include "ops/parameter_layout.hpp"

#include <cstdint>
#include <memory>
#include <string>

namespace troupe {

class shard_writer {
public:
  shard_writer(context& world, std::shared_ptr<const parameter_layout> layout);

  void hear(const protocol::want_shard& m);

  // Whether somebody waits for a shard that has not been begun: what follows is to be said of it.
  [[nodiscard]] bool is_wanted() const { return phase_ == phase::wanted; }

  [[nodiscard]] std::uint64_t version() const { return asked_.version; } // steps committed

  void write(shard_content content);
  void have_nothing();
  void decline(const std::string& why); // the checkpoint will not be complete

  // Whether the shard that was begun last is written, or cannot be: its content is not needed.
  bool hear(const protocol::shard_done& m);

private:
  enum class phase { idle, wanted, writing, written, failed };

  void look_again();
  void answer();

  context& world_;
  std::shared_ptr<shard_place> place_; // of computations, one at a time
  phase phase_ = phase::idle;
  protocol::want_shard asked_;
  shard_file file_;
  std::string problem_;
};

} // namespace troupe
