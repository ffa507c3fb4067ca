#include "actors/runtime/simulation/link.hpp"

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

namespace troupe::simulation {

bool link::later(const ending& a, const ending& b) {
  return std::tie(a.served, a.number) > std::tie(b.served, b.number);
}

void link::pass_time(instant now) {
  const double seconds = std::chrono::duration<double>(now - at_).count();
  if (!ends_.empty())
    served_ = std::min(served_ + seconds * rate_ / static_cast<double>(ends_.size()),
                       ends_.front().served);
  at_ = now;
}

void link::send(instant now, std::uint64_t flow, std::int64_t bytes, passed sent) {
  pass_time(now);
  const auto queue = flows_.try_emplace(flow).first;
  queue->second.push_back({static_cast<double>(bytes), std::move(sent)});
  if (queue->second.size() == 1) begin_first_of(queue);
}

void link::begin_first_of(flow_queue flow) {
  ends_.push_back({served_ + flow->second.front().bytes, begun_++, flow});
  std::push_heap(ends_.begin(), ends_.end(), later);
}

std::optional<instant> link::next_end() const {
  if (ends_.empty()) return std::nullopt;
  const double left = (ends_.front().served - served_) * static_cast<double>(ends_.size());
  return at_ + duration(static_cast<std::int64_t>(std::min(std::ceil(left / rate_ * 1e9), 1e18)));
}

link::passed link::end_first(instant now) {
  pass_time(now);
  std::pop_heap(ends_.begin(), ends_.end(), later);
  const auto flow = ends_.back().flow;
  served_ = ends_.back().served;
  ends_.pop_back();
  auto out = std::move(flow->second.front().sent);
  flow->second.pop_front();
  if (flow->second.empty())
    flows_.erase(flow);
  else
    begin_first_of(flow);
  if (ends_.empty()) served_ = 0; // keeps the numbers small and exact
  return out;
}

} // namespace troupe::simulation
