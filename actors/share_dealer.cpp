#include "actors/share_dealer.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

namespace troupe {

namespace {

constexpr double newest_weight = 0.25; // of a measurement beside those before it
constexpr double gain_min = 0.05;      // of a step's time, for which shares are dealt anew

} // namespace

share_dealer::share_dealer(share_dealer_options options) : options_(std::move(options)) {
  for (std::size_t r = 0; deals() && r < sharing(); ++r)
    counts_.push_back(
        static_cast<std::uint32_t>(nodes_within(options_.units, options_.wired[r].run).size()));
}

void share_dealer::deal(std::uint64_t step) {
  if (!deals() || dealt_.contains(step)) return;
  const auto seconds = seconds_of_replicas();
  const auto doubled = backed(seconds);
  if (options_.balance) balance(seconds, doubled);
  auto& out = dealt_[step];
  std::size_t unit = 0;
  for (std::size_t r = 0; r < sharing(); ++r) {
    replica_share share{options_.wired[r].replica, {options_.units[unit].first, 0}};
    for (std::uint32_t i = 0; i < counts_[r]; ++i)
      share.run.count += options_.units[unit++].count;
    out.push_back(share);
  }
  for (std::size_t b = 0; b < doubled.size(); ++b)
    out.push_back({options_.wired[sharing() + b].replica, out[doubled[b]].run});
}

// Of a microbatch; a pipeline is as fast as its slowest stage. 0: not measured.
std::vector<double> share_dealer::seconds_of_replicas() const {
  std::vector<double> out;
  for (const auto& share : options_.wired) {
    double slowest = 0;
    for (const auto& [shard, seconds] : measured_)
      if (shard.replica == share.replica) slowest = std::max(slowest, seconds);
    out.push_back(slowest);
  }
  return out;
}

// By backup, whose run it computes: the slowest replica's first.
std::vector<std::size_t> share_dealer::backed(const std::vector<double>& seconds) const {
  std::vector<std::size_t> slowest_first(sharing());
  std::iota(slowest_first.begin(), slowest_first.end(), std::size_t{0});
  std::stable_sort(slowest_first.begin(), slowest_first.end(), [&](std::size_t a, std::size_t b) {
    return seconds[a] > seconds[b];
  });
  std::vector<std::size_t> out;
  for (std::size_t b = 0; b < options_.backups; ++b)
    out.push_back(slowest_first[b % sharing()]);
  return out;
}

// A replica with a backup is as fast as the faster of the two. Clocks are noisy: shares that would
// save little stay as they are.
void share_dealer::balance(const std::vector<double>& seconds,
                           const std::vector<std::size_t>& doubled) {
  std::vector<double> together(seconds.begin(),
                               seconds.begin() + static_cast<std::ptrdiff_t>(sharing()));
  for (std::size_t b = 0; b < doubled.size(); ++b)
    if (const double own = seconds[sharing() + b]; own > 0)
      together[doubled[b]] = std::min(together[doubled[b]], own);
  if (*std::min_element(together.begin(), together.end()) <= 0) return;
  auto next = shares_of(together, static_cast<std::uint32_t>(options_.units.size()));
  if (slowest_of(next, together) < (1 - gain_min) * slowest_of(counts_, together))
    counts_ = std::move(next);
}

// Who was overtaken takes at least so long.
void share_dealer::note(const protocol::share_computed& m) {
  if (!deals() || !(m.microbatches > 0)) return;
  const double now = std::max(m.seconds / m.microbatches, 1e-9);
  auto& known = measured_.try_emplace(m.who, now).first->second;
  known += newest_weight * (now - known);
  if (m.overtaken) known = std::max(known, now);
}

void share_dealer::restore(std::uint64_t step, std::vector<replica_share> shares) {
  dealt_[step] = std::move(shares);
}

void share_dealer::forget_before(std::uint64_t step) {
  dealt_.erase(dealt_.begin(), dealt_.lower_bound(step));
}

tree_span share_dealer::run_of(std::uint64_t step, std::uint32_t replica) const {
  for (const auto& share : shares_of_step(step))
    if (share.replica == replica) return share.run;
  return {0, 0};
}

const std::vector<replica_share>& share_dealer::shares_of_step(std::uint64_t step) const {
  static const std::vector<replica_share> none;
  const auto found = dealt_.find(step);
  return found == dealt_.end() ? none : found->second;
}

} // namespace troupe
