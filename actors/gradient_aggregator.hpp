// A gradient aggregator adds up the gradients of its blocks in the canonical tree, as they arrive.
// It holds nothing that cannot be sent again.
//
// A root adds over all microbatches, and hands the last two sums to the holder of the block, who
// adds them. The aggregator of a group of replicas adds what lies below the tree's nodes that the
// group has to itself, and sends each of these sums to the root, as a gradient with a larger span:
// same bits, fewer bytes between groups. It keeps what it sent for as long as the step may be in
// flight: a root that was restarted gets it again, and so does a holder. (Where an aggregator was
// restarted, its layer shards send again.)
#pragma once

#include "actors/address.hpp"
#include "actors/runtime/role.hpp"
#include "ops/block_codec.hpp"
#include "ops/reduction_tree.hpp"

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <utility>
#include <vector>

namespace troupe {

struct gradient_aggregator_options {
  std::uint32_t microbatches = 1;
  std::vector<address> holders;      // by block
  std::uint64_t steps_in_flight = 1; // whose gradients may come at the same time
  std::vector<std::shared_ptr<const block_codec>> codecs = {}; // by block; empty: none
  // Of a group's aggregator: the nodes of the tree whose sums it sends on, and by block to whom.
  // Both are empty for a root.
  std::vector<tree_span> group_sums = {};
  std::vector<address> roots = {};
  std::vector<int> own_blocks = {}; // that it adds: what it waits for before it has heard of any
};

class gradient_aggregator final : public role_of<gradient_aggregator> {
public:
  gradient_aggregator(context& world, gradient_aggregator_options options);

  [[nodiscard]] std::vector<wait> waits() const override;
  void on(const protocol::gradient& m);
  void on(const protocol::summed& m);
  void on(const protocol::restarted& m);

private:
  struct subtrees;

  struct step_sum {
    std::shared_ptr<subtrees> sums;
    std::deque<protocol::gradient>
        arrived; // many may come at once: in pieces of memory of one size
    bool busy = false;
    std::vector<tensor> totals; // that were handed on; empty ones were not
  };

  [[nodiscard]] bool is_root() const { return options_.roots.empty(); }

  void act(std::uint64_t step, int block);
  void send_to_holder(const protocol::summed& m);
  void send_to_root(std::uint64_t step, int block, std::size_t sum, const tensor& total);

  context& world_;
  const gradient_aggregator_options options_;
  const std::vector<tree_span> sums_; // nodes of the tree
  std::map<int, std::map<std::uint64_t, step_sum>> blocks_;
};

} // namespace troupe
