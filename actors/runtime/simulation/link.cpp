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
  if (alone_)
    served_ = std::min(served_ + seconds * rate_, alone_->first.served);
  else if (!ends_.empty())
    served_ = std::min(served_ + seconds * rate_ / static_cast<double>(ends_.size()),
                       ends_.front().served);
  at_ = now;
}

std::uint32_t link::place_for(const transfer& t) {
  if (free_ == none) {
    transfers_.push_back(t);
    return static_cast<std::uint32_t>(transfers_.size() - 1);
  }
  const auto place = std::exchange(free_, transfers_[free_].next);
  transfers_[place] = t;
  return place;
}

link::sending link::send(instant now, std::uint64_t flow, std::int64_t bytes, ticket what) {
  if (alone_ && alone_until() <= now) {
    alone_.reset();
    served_ = 0;
  }
  pass_time(now);
  const auto amount = static_cast<double>(bytes);
  if (!alone_ && ends_.empty()) {
    alone_ = {{served_ + amount, begun_++, flow}, what};
    return {.alone_until = alone_until()};
  }
  sending out;
  if (alone_) {
    out.joined = alone_->second;
    spread_alone();
  }
  const auto place = place_for({amount, what});
  auto& queue = flows_.at_or(flow);
  if (queue.first == none) {
    queue.first = place;
    begin(flow, amount);
  } else {
    transfers_[queue.last].next = place;
  }
  queue.last = place;
  return out;
}

instant link::alone_until() const {
  return after(alone_->first.served - served_);
}

void link::spread_alone() {
  const auto [end, what] = *std::exchange(alone_, std::nullopt);
  const auto place = place_for({0, what}); // its bytes are in its end
  flows_.at_or(end.flow) = {place, place};
  ends_.push_back(end);
}

void link::begin(std::uint64_t flow, double bytes) {
  ends_.push_back({served_ + bytes, begun_++, flow});
  std::push_heap(ends_.begin(), ends_.end(), later);
}

std::optional<instant> link::next_end() const {
  if (ends_.empty()) return std::nullopt;
  return after((ends_.front().served - served_) * static_cast<double>(ends_.size()));
}

instant link::after(double bytes) const {
  return at_ + duration(static_cast<std::int64_t>(std::min(std::ceil(bytes / rate_ * 1e9), 1e18)));
}

link::ticket link::end_first(instant now) {
  pass_time(now);
  std::pop_heap(ends_.begin(), ends_.end(), later);
  const auto flow = ends_.back().flow;
  served_ = ends_.back().served;
  ends_.pop_back();
  auto& queue = *flows_.find(flow);
  const auto place = queue.first;
  queue.first = transfers_[place].next;
  transfers_[place].next = std::exchange(free_, place);
  if (queue.first == none)
    flows_.erase(flow);
  else
    begin(flow, transfers_[queue.first].bytes);
  if (ends_.empty()) served_ = 0; // keeps the numbers small and exact
  return transfers_[place].what;
}

} // namespace troupe::simulation
