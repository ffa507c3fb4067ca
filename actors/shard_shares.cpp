#include "actors/shard_shares.hpp"

#include <utility>

namespace troupe {

shard_shares::shard_shares(shard_share wired)
    : wired_(std::make_shared<const shard_share>(std::move(wired))) {}

shard_shares::shard_shares(std::uint32_t microbatches, std::vector<tree_span> nodes)
    : microbatches_(microbatches), nodes_(std::move(nodes)) {}

shard_share shard_shares::made(tree_span run) const {
  return {run,
          nodes_.empty() ? tree_cover_below_root(microbatches_, run) : nodes_within(nodes_, run)};
}

// Shares change seldom: that of the step before is used again.
void shard_shares::deal(std::uint64_t step, tree_span run) {
  if (wired_ || run.count == 0) return;
  if (!newest_ || newest_->run != run) newest_ = std::make_shared<const shard_share>(made(run));
  dealt_[step] = newest_;
}

void shard_shares::forget_before(std::uint64_t step) {
  dealt_.erase(dealt_.begin(), dealt_.lower_bound(step));
}

std::shared_ptr<const shard_share> shard_shares::of(std::uint64_t step) const {
  if (wired_) return wired_;
  const auto found = dealt_.find(step);
  return found == dealt_.end() ? nullptr : found->second;
}

} // namespace troupe
