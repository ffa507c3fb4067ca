// What the director waits for.
#include "actors/director.hpp"

#include <algorithm>

namespace troupe {

namespace {

// Each run of microbatches that is not there.
template <class Has>
std::vector<tree_span> gaps(std::uint32_t microbatches, const Has& has) {
  std::vector<tree_span> out;
  for (std::uint32_t m = 0; m < microbatches; ++m) {
    if (has(m)) continue;
    if (!out.empty() && out.back().first + out.back().count == m)
      ++out.back().count;
    else
      out.push_back({m, 1});
  }
  return out;
}

} // namespace

std::vector<wait> director::waits() const {
  switch (phase_) {
  case phase::beginning:
    return {{.what = wait_kind::cursor, .from = options_.recorder}};
  case phase::training:
    return waits_of_step();
  case phase::evaluating: {
    std::vector<wait> out;
    for (std::size_t e = 0; e < options_.evaluators.size(); ++e)
      if (!parts_.contains(static_cast<std::uint32_t>(e)))
        out.push_back(
            {.what = wait_kind::evaluation, .from = options_.evaluators[e], .step = committed_});
    return out;
  }
  case phase::saving:
    if (!saving_) // what became of the checkpoint before
      return {{.what = wait_kind::record, .from = options_.recorder, .step = committed_}};
    return {{.what = wait_kind::save, .from = options_.checkpointer, .step = save_.version}};
  case phase::ended:
    break;
  }
  return {};
}

// That nobody is permitted to compute yet, the recorder has not heard of all before.
std::vector<wait> director::waits_of_step() const {
  std::vector<wait> out;
  if (permitted_ <= committed_ && !untold_.empty())
    return {{.what = wait_kind::record, .from = options_.recorder, .step = committed_}};
  if (permitted_ <= committed_ && saving_) // nobody gets further before it is written
    return {{.what = wait_kind::save, .from = options_.checkpointer, .step = save_.version}};
  const auto found = steps_.find(committed_);
  const auto* step = found == steps_.end() ? nullptr : &found->second;
  for (std::uint32_t island = options_.islands > 0 ? 1 : 0; island <= options_.islands; ++island)
    for (int b = 0; b < options_.blocks; ++b)
      if (step == nullptr || !step->blocks.contains({island, b}))
        out.push_back({.what = wait_kind::commit,
                       .step = committed_,
                       .block = b,
                       .blocks = 1,
                       .island = island});
  const auto missing = gaps(options_.microbatches, [&](std::uint32_t m) {
    return step != nullptr && step->reports.has(m);
  });
  for (const auto& run : missing)
    add_report(out, run);
  return out;
}

// Where shares are dealt, it knows to whom.
void director::add_report(std::vector<wait>& out, const tree_span& run) const {
  const wait report{.what = wait_kind::report,
                    .step = committed_,
                    .microbatch = run.first,
                    .microbatches = run.count};
  if (!shares_.deals()) return out.push_back(report);
  for (const auto& shard : options_.shards) {
    const auto share = shares_.run_of(committed_, shard.replica);
    const auto first = std::max(share.first, run.first);
    const auto end = std::min(share.first + share.count, run.first + run.count);
    if (first >= end) continue;
    out.push_back(report);
    out.back().from = shard;
    out.back().microbatch = first;
    out.back().microbatches = end - first;
    out.back().guessed = true; // another stage of the replica reports it, or a backup
  }
}

} // namespace troupe
