// A checkpointer collects the state of all blocks from the holders and writes it to one file,
// atomically. A file that cannot be written is reported and does not end the job; older checkpoints
// are removed only after a newer one is complete.
#pragma once

#include "actors/address.hpp"
#include "actors/runtime/role.hpp"
#include "ops/files/checkpoint.hpp"
#include "ops/reduction_tree.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace troupe {

struct checkpointer_options {
  std::shared_ptr<const parameter_layout> layout;
  std::vector<address> holders;
  std::vector<address> keepers; // of residuals
  std::vector<tree_span> nodes; // of the reduction tree that have residuals
  std::uint32_t islands = 0;    // each with a state of its own
  address director{.role = role_kind::director};
  std::map<std::string, std::string> job; // goes into each checkpoint
  int kept = 3;
};

class checkpointer final : public role_of<checkpointer> {
public:
  checkpointer(context& world, checkpointer_options options);

  [[nodiscard]] std::vector<wait> waits() const override;
  void on(const protocol::save& m);
  void on(const protocol::restarted& m);
  void on(const protocol::state& m);
  void on(const protocol::kept_residual& m);
  void on(const protocol::written& m);

private:
  void write_if_complete();
  [[nodiscard]] std::shared_ptr<checkpoint> assembled();

  context& world_;
  const std::shared_ptr<const checkpointer_options> options_;
  std::optional<protocol::save> wanted_;
  std::uint64_t newest_ = 0;  // request that was wanted
  std::uint64_t written_ = 0; // request of which all was here
  std::map<std::pair<std::uint32_t, int>, protocol::state> collected_; // by island, block
  std::map<std::pair<std::uint32_t, int>, tensor> residuals_;          // by first microbatch, block
};

} // namespace troupe
