#include "actors/runtime/simulation/link.hpp"

#include <algorithm>
#include <cmath>
#include <tuple>

namespace troupe::simulation {

bool link::later(const ending& a, const ending& b) {
  return std::tie(a.served, a.number) > std::tie(b.served, b.number);
}

void link::pass_time(instant now) {
  const double seconds = std::chrono::duration<double>(now - at_).count();
  if (alone_)
    served_ = std::min(served_ + seconds * rate_, alone_->served);
  else if (!ends_.empty())
    served_ = std::min(served_ + seconds * rate_ / static_cast<double>(ends_.size()),
                       ends_.front().served);
  at_ = now;
}

std::uint32_t& link::waiting_with(const letter& l) const {
  return l.by->waiting[static_cast<std::size_t>(as_)];
}

link::sending link::send(instant now, letters& all, letters::number what) {
  if (alone_ && alone_until() <= now) {
    alone_.reset();
    served_ = 0;
  }
  pass_time(now);
  if (!alone_ && ends_.empty()) {
    alone_ = {served_ + static_cast<double>(all[what].bytes), begun_++, what};
    return {.alone_until = alone_until()};
  }
  sending out;
  if (alone_) {
    out.joined = alone_->what;
    ++waiting_with(all[alone_->what]);
    ends_.push_back(*alone_);
    alone_.reset();
  }
  if (waiting_with(all[what])++ == 0) begin(what, all[what].bytes);
  return out;
}

void link::begin(letters::number what, std::int64_t bytes) {
  ends_.push_back({served_ + static_cast<double>(bytes), begun_++, what});
  std::push_heap(ends_.begin(), ends_.end(), later);
}

instant link::alone_until() const {
  return after(alone_->served - served_);
}

std::optional<instant> link::next_end() const {
  if (ends_.empty()) return std::nullopt;
  return after((ends_.front().served - served_) * static_cast<double>(ends_.size()));
}

instant link::after(double bytes) const {
  return at_ + duration(static_cast<std::int64_t>(std::min(std::ceil(bytes / rate_ * 1e9), 1e18)));
}

// Then the one after it begins, if that waits.
letters::number link::end_first(instant now, letters& all) {
  pass_time(now);
  std::pop_heap(ends_.begin(), ends_.end(), later);
  const auto what = ends_.back().what;
  served_ = ends_.back().served;
  ends_.pop_back();
  if (const letter& l = all[what]; --waiting_with(l) > 0) begin(l.next, all[l.next].bytes);
  if (ends_.empty()) served_ = 0; // keeps the numbers small and exact
  return what;
}

} // namespace troupe::simulation
