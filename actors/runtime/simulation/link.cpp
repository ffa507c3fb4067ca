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
  else if (is_crowded())
    served_ = std::min(served_ + seconds * rate_ / static_cast<double>(crowd_->ends.size()),
                       crowd_->ends.front().served);
  at_ = now;
}

std::uint32_t link::place_for(const transfer& t) {
  if (crowd_->free == none) {
    crowd_->transfers.push_back(t);
    return static_cast<std::uint32_t>(crowd_->transfers.size() - 1);
  }
  const auto place = std::exchange(crowd_->free, crowd_->transfers[crowd_->free].next);
  crowd_->transfers[place] = t;
  return place;
}

link::sending link::send(instant now, std::uint64_t flow, std::int64_t bytes, ticket what) {
  if (alone_ && alone_until() <= now) {
    alone_.reset();
    served_ = 0;
  }
  pass_time(now);
  const auto amount = static_cast<double>(bytes);
  if (!alone_ && !is_crowded()) {
    alone_ = {{served_ + amount, begun_++, flow}, what};
    return {.alone_until = alone_until()};
  }
  sending out;
  if (!crowd_) crowd_ = std::make_unique<crowd>();
  if (alone_) {
    out.joined = alone_->second;
    spread_alone();
  }
  const auto place = place_for({amount, what});
  auto& queue = crowd_->flows.at_or(flow);
  if (queue.first == none) {
    queue.first = place;
    begin(flow, amount);
  } else {
    crowd_->transfers[queue.last].next = place;
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
  crowd_->flows.at_or(end.flow) = {place, place};
  crowd_->ends.push_back(end);
}

void link::begin(std::uint64_t flow, double bytes) {
  crowd_->ends.push_back({served_ + bytes, begun_++, flow});
  std::push_heap(crowd_->ends.begin(), crowd_->ends.end(), later);
}

std::optional<instant> link::next_end() const {
  if (!is_crowded()) return std::nullopt;
  return after((crowd_->ends.front().served - served_) * static_cast<double>(crowd_->ends.size()));
}

instant link::after(double bytes) const {
  return at_ + duration(static_cast<std::int64_t>(std::min(std::ceil(bytes / rate_ * 1e9), 1e18)));
}

link::ticket link::end_first(instant now) {
  pass_time(now);
  auto& [flows, transfers, free, ends] = *crowd_;
  std::pop_heap(ends.begin(), ends.end(), later);
  const auto flow = ends.back().flow;
  served_ = ends.back().served;
  ends.pop_back();
  auto& queue = *flows.find(flow);
  const auto place = queue.first;
  queue.first = transfers[place].next;
  transfers[place].next = std::exchange(free, place);
  if (queue.first == none)
    flows.erase(flow);
  else
    begin(flow, transfers[queue.first].bytes);
  if (ends.empty()) served_ = 0; // keeps the numbers small and exact
  return transfers[place].what;
}

} // namespace troupe::simulation
