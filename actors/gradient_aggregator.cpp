#include "actors/gradient_aggregator.hpp"

#include <algorithm>
#include <utility>

namespace troupe {

// Some subtrees, each with its sum. Used by one computation at a time.
struct gradient_aggregator::subtrees {
  subtrees(std::uint32_t microbatches, const std::vector<tree_span>& roots) {
    for (const auto& root : roots)
      parts.push_back({root, tree_sum(microbatches, root), {}});
  }

  void add(const protocol::gradient& g) {
    for (auto& part : parts)
      if (g.span.first >= part.root.first && g.span.first < part.root.first + part.root.count)
        if (auto total = part.sum.add(g.span, g.value)) part.total = std::move(*total);
  }

  // That add() would make now.
  [[nodiscard]] std::int64_t additions_of(const tree_span& span) const {
    for (const auto& part : parts)
      if (span.first >= part.root.first && span.first < part.root.first + part.root.count)
        return part.sum.additions_of(span);
    return 0;
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

namespace {

// Whether all sums are there; empty ones miss contributions.
bool complete(const std::vector<tensor>& totals) {
  return !totals.empty() && std::all_of(totals.begin(), totals.end(), [](const tensor& t) {
    return static_cast<bool>(t);
  });
}

} // namespace

gradient_aggregator::gradient_aggregator(context& world, gradient_aggregator_options options)
    : world_(world),
      options_(std::move(options)),
      sums_(is_root() ? tree_cover_below_root(options_.microbatches, {0, options_.microbatches})
                      : options_.group_sums) {}

// Nobody sends a gradient of a block before the step that is `steps_in_flight` older is applied to
// it; contributions of such a step are what a shard sent again after that.
void gradient_aggregator::on(const protocol::gradient& m) {
  auto& steps = blocks_[m.block];
  if (!steps.empty() && m.step + options_.steps_in_flight <= steps.rbegin()->first) return;
  auto& step = steps[m.step];
  std::erase_if(steps, [&, newest = steps.rbegin()->first](const auto& old) {
    return old.first + options_.steps_in_flight <= newest;
  });
  if (!step.sums) step.sums = std::make_shared<subtrees>(options_.microbatches, sums_);
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
          const std::int64_t passes = (g.encoded ? 1 : 0) + sums->additions_of(g.span);
          here.begin(
              {.kind = work_kind::sum, .amount = passes * g.value.elements(), .which = g.block});
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
  const auto before = std::exchange(step.totals, m.totals);
  if (is_root()) {
    if (complete(m.totals) && !complete(before)) send_to_holder(m);
  } else {
    for (std::size_t i = 0; i < m.totals.size(); ++i)
      if (m.totals[i] && (before.empty() || !before[i]))
        send_to_root(m.step, m.block, i, m.totals[i]);
  }
  act(m.step, m.block);
}

void gradient_aggregator::send_to_holder(const protocol::summed& m) {
  world_.send(
      options_.holders[static_cast<std::size_t>(m.block)],
      protocol::reduced_gradient{
          m.step, m.block, m.totals.front(), m.totals.size() > 1 ? m.totals.back() : tensor{}});
}

void gradient_aggregator::send_to_root(std::uint64_t step,
                                       int block,
                                       std::size_t sum,
                                       const tensor& total) {
  world_.send(options_.roots[static_cast<std::size_t>(block)],
              protocol::gradient{step, block, sums_[sum], total});
}

// Of each block the newest step that is not complete; where none is known, whichever comes next.
std::vector<wait> gradient_aggregator::waits() const {
  std::vector<wait> out;
  const auto add = [&](int block, std::uint64_t step, const tree_span& run) {
    out.push_back({.what = wait_kind::gradient,
                   .step = step,
                   .block = block,
                   .blocks = 1,
                   .microbatch = run.first,
                   .microbatches = run.count});
  };
  for (const auto& [block, steps] : blocks_) {
    if (steps.empty()) continue;
    const auto& [number, newest] = *steps.rbegin();
    if (newest.busy)
      out.push_back({.what = wait_kind::computation,
                     .from = world_.self(),
                     .step = number,
                     .block = block,
                     .blocks = 1});
    else if (complete(newest.totals))
      for (const auto& root : sums_)
        add(block, number + 1, root);
    else
      for (const auto& part : newest.sums->parts)
        for (const auto& run : part.sum.missing())
          add(block, number, run);
  }
  for (const int block : options_.own_blocks)
    if (const auto known = blocks_.find(block); known == blocks_.end() || known->second.empty())
      for (const auto& root : sums_)
        add(block, wait::no_step, root);
  return out;
}

// To a new root or holder, all that it may have lost; what is still being added comes when it is
// complete.
void gradient_aggregator::on(const protocol::restarted& m) {
  const auto& listeners = is_root() ? options_.holders : options_.roots;
  for (const auto& [block, steps] : blocks_) {
    if (listeners[static_cast<std::size_t>(block)] != m.who) continue;
    for (const auto& [number, step] : steps) {
      if (is_root() && complete(step.totals)) send_to_holder({number, block, step.totals});
      for (std::size_t i = 0; !is_root() && i < step.totals.size(); ++i)
        if (step.totals[i]) send_to_root(number, block, i, step.totals[i]);
    }
  }
}

} // namespace troupe
