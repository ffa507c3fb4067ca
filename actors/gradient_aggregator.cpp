#include "actors/gradient_aggregator.hpp"

#include <utility>

namespace troupe {

gradient_aggregator::gradient_aggregator(context& world, gradient_aggregator_options options)
    : world_(world), options_(std::move(options)) {}

// Nobody sends step t + 1 of a block before step t of it is committed, so the newest step is the
// one that counts; older contributions are what a shard sent again after they had been applied.
void gradient_aggregator::on(const protocol::gradient& m) {
  auto& block = blocks_[m.block];
  if (m.step < block.step) return;
  if (m.step > block.step || !block.sum) {
    block.step = m.step;
    block.sum =
        std::make_shared<tree_sum>(options_.microbatches, tree_span{0, options_.microbatches});
    block.arrived.clear();
  }
  block.arrived.push_back(m);
  act(m.block);
}

void gradient_aggregator::act(int index) {
  auto& block = blocks_[index];
  if (block.busy || block.arrived.empty()) return;
  block.busy = true;
  world_.compute(lane::updates,
                 [sum = block.sum, arrived = std::exchange(block.arrived, {})](computation& here) {
                   protocol::summed out{arrived.front().step, arrived.front().block, {}};
                   for (const auto& g : arrived)
                     if (auto total = sum->add(g.span, g.value)) out.total = std::move(*total);
                   here.post(std::move(out));
                 });
}

void gradient_aggregator::on(const protocol::summed& m) {
  auto& block = blocks_[m.block];
  block.busy = false;
  if (m.total && m.step == block.step)
    world_.send(options_.holders[static_cast<std::size_t>(m.block)],
                protocol::reduced_gradient{m.step, m.block, m.total});
  act(m.block);
}

} // namespace troupe
