#include "actors/gradient_aggregator.hpp"

#include <algorithm>
#include <utility>

namespace troupe {

// The subtrees below the root, each with its sum. Used by one computation at a time.
struct gradient_aggregator::subtrees {
  explicit subtrees(std::uint32_t microbatches) {
    for (const auto& root : tree_cover_below_root(microbatches, {0, microbatches}))
      parts.push_back({root, tree_sum(microbatches, root), {}});
  }

  void add(const protocol::gradient& g) {
    for (auto& part : parts)
      if (g.span.first >= part.root.first && g.span.first < part.root.first + part.root.count)
        if (auto total = part.sum.add(g.span, g.value)) part.total = std::move(*total);
  }

  [[nodiscard]] std::vector<tensor> totals() const {
    std::vector<tensor> out;
    for (const auto& part : parts)
      out.push_back(part.total);
    return out;
  }

  struct subtree {
    tree_span root;
    tree_sum sum;
    tensor total; // empty while contributions are missing
  };

  std::vector<subtree> parts;
};

gradient_aggregator::gradient_aggregator(context& world, gradient_aggregator_options options)
    : world_(world), options_(std::move(options)) {}

// Nobody sends step t + 1 of a block before step t of it is committed, so the newest step is the
// one that counts; older contributions are what a shard sent again after they had been applied.
void gradient_aggregator::on(const protocol::gradient& m) {
  auto& block = blocks_[m.block];
  if (m.step < block.step) return;
  if (m.step > block.step || !block.sums) {
    block.step = m.step;
    block.sums = std::make_shared<subtrees>(options_.microbatches);
    block.arrived.clear();
    block.handed_on = false;
  }
  block.arrived.push_back(m);
  act(m.block);
}

void gradient_aggregator::act(int index) {
  auto& block = blocks_[index];
  if (block.busy || block.arrived.empty()) return;
  block.busy = true;
  world_.compute(
      lane::updates,
      [sums = block.sums, arrived = std::exchange(block.arrived, {})](computation& here) {
        for (const auto& g : arrived)
          sums->add(g);
        here.post(protocol::summed{arrived.front().step, arrived.front().block, sums->totals()});
      });
}

void gradient_aggregator::on(const protocol::summed& m) {
  auto& block = blocks_[m.block];
  block.busy = false;
  const bool complete = std::all_of(
      m.totals.begin(), m.totals.end(), [](const tensor& t) { return static_cast<bool>(t); });
  if (complete && m.step == block.step && !std::exchange(block.handed_on, true))
    world_.send(
        options_.holders[static_cast<std::size_t>(m.block)],
        protocol::reduced_gradient{
            m.step, m.block, m.totals.front(), m.totals.size() > 1 ? m.totals.back() : tensor{}});
  act(m.block);
}

} // namespace troupe
