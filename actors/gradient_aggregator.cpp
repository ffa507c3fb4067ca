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

// Nobody sends a gradient of a block before the step that is `steps_in_flight` older is applied to
// it; contributions of such a step are what a shard sent again after that.
void gradient_aggregator::on(const protocol::gradient& m) {
  auto& steps = blocks_[m.block];
  if (!steps.empty() && m.step + options_.steps_in_flight <= steps.rbegin()->first) return;
  auto& step = steps[m.step];
  std::erase_if(steps, [&, newest = steps.rbegin()->first](const auto& old) {
    return old.first + options_.steps_in_flight <= newest;
  });
  if (!step.sums) step.sums = std::make_shared<subtrees>(options_.microbatches);
  step.arrived.push_back(m);
  act(m.step, m.block);
}

void gradient_aggregator::act(std::uint64_t number, int index) {
  auto& step = blocks_[index].at(number);
  if (step.busy || step.arrived.empty()) return;
  step.busy = true;
  world_.compute(
      lane::updates,
      [sums = step.sums,
       codec = options_.codecs.empty() ? nullptr : options_.codecs[static_cast<std::size_t>(index)],
       arrived = std::exchange(step.arrived, {})](computation& here) {
        for (auto g : arrived) {
          if (g.encoded) g.value = codec->decode(g.value);
          sums->add(g);
        }
        here.post(protocol::summed{arrived.front().step, arrived.front().block, sums->totals()});
      });
}

void gradient_aggregator::on(const protocol::summed& m) {
  auto& steps = blocks_[m.block];
  const auto found = steps.find(m.step);
  if (found == steps.end()) return; // applied since
  auto& step = found->second;
  step.busy = false;
  const bool complete = std::all_of(
      m.totals.begin(), m.totals.end(), [](const tensor& t) { return static_cast<bool>(t); });
  if (complete && !std::exchange(step.handed_on, true))
    world_.send(
        options_.holders[static_cast<std::size_t>(m.block)],
        protocol::reduced_gradient{
            m.step, m.block, m.totals.front(), m.totals.size() > 1 ? m.totals.back() : tensor{}});
  act(m.step, m.block);
}

} // namespace troupe
