#include "net/reliable_link.hpp"

#include "ops/assert.hpp"

#include <algorithm>
#include <utility>

namespace troupe::net {

namespace {

// Of a frame with several parcels. More would only make those behind wait for longer.
constexpr std::size_t together_bytes = 8 * 1024;
constexpr std::size_t together_parcels = 64;

// Of each window: so much is told at once, before the other side has none left.
std::array<std::size_t, lanes> quarters(const link_options& options) {
  return {options.window_bytes[0] / 4, options.window_bytes[1] / 4};
}

} // namespace

reliable_link::reliable_link(node_life here, node_life there, link_options options, time_point now)
    : here_(here),
      there_(there),
      options_(std::move(options)),
      intake_(std::make_shared<intake>(quarters(options_), options_.on_taken)),
      last_sent_(now),
      last_heard_(now) {}

void reliable_link::post(lane_kind lane, parcel content) {
  auto& l = lanes_[static_cast<int>(lane)];
  l.kept_bytes += content.bytes();
  content.credit.reset(); // of one that came, and goes on: taken
  l.kept.push_back(std::move(content));
}

// Of the window: what is on its way, or not taken yet.
std::uint64_t reliable_link::lent(const lane_state& lane) {
  return lane.acknowledged + lane.on_its_way - lane.credited;
}

// One parcel may always be on its way, however large.
bool reliable_link::may_send(const lane_state& lane, int index) const {
  if (!lane.open || lane.next >= lane.first + lane.kept.size()) return false;
  const std::uint64_t out = lent(lane);
  return out == 0 || out < options_.window_bytes[static_cast<std::size_t>(index)];
}

bool reliable_link::is_overdue(const lane_state& lane, time_point now) const {
  return lane.next > lane.first && now - lane.progress >= options_.resend_after;
}

std::optional<frame> reliable_link::next(time_point now) {
  for (int i = 0; i < lanes; ++i) {
    if (is_overdue(lanes_[i], now)) go_back(lanes_[i], now);
    if (may_send(lanes_[i], i)) return parcels_of(i, now);
  }
  if (!lanes_[static_cast<int>(lane_kind::small)].open) return {};
  for (int i = 0; i < lanes; ++i)
    if (std::exchange(lanes_[i].misses, false)) {
      frame out = stamped(frame_kind::state, now);
      out.lane = static_cast<lane_kind>(i);
      out.number = lanes_[i].received + 1;
      return out;
    }
  const bool acknowledge =
      owes_much() || (owes_ && now - owes_since_ >= options_.acknowledge_within);
  if (acknowledge || now - last_sent_ >= options_.heartbeat) return stamped(frame_kind::state, now);
  return {};
}

frame reliable_link::parcels_of(int index, time_point now) {
  auto& lane = lanes_[index];
  if (lane.next == lane.first) lane.progress = now;
  frame out = stamped(frame_kind::parcel, now);
  out.lane = static_cast<lane_kind>(index);
  out.number = lane.next;
  out.content = take_next(lane); // its payloads are shared
  std::size_t bytes = out.content.body.size();
  while (may_send(lane, index) && goes_along(out, lane, bytes)) {
    out.more.push_back(take_next(lane).body);
    bytes += out.more.back().size();
  }
  return out;
}

bool reliable_link::goes_along(const frame& f, const lane_state& lane, std::size_t bytes) const {
  const parcel& next = lane.kept[lane.next - lane.first];
  return f.content.payloads.empty() && next.payloads.empty() &&
         f.more.size() + 1 < together_parcels && bytes + next.body.size() <= together_bytes;
}

// REQUIRES: there is one.
const parcel& reliable_link::take_next(lane_state& lane) {
  const parcel& out = lane.kept[lane.next - lane.first];
  const auto bytes = out.bytes();
  lane.on_its_way += bytes;
  if (lane.next++ < lane.fresh) {
    ++counts_.resent;
  } else {
    ++lane.fresh;
    ++counts_.parcels_sent;
    counts_.bytes_sent += bytes;
  }
  return out;
}

// Before the other side's window is full.
bool reliable_link::owes_much() const {
  const auto much = quarters(options_);
  for (int i = 0; i < lanes; ++i)
    if (intake_->taken(static_cast<lane_kind>(i)) - lanes_[i].told > much[i]) return true;
  return false;
}

void reliable_link::go_back(lane_state& lane, time_point now) {
  lane.next = lane.first;
  lane.on_its_way = 0;
  lane.progress = now;
}

frame reliable_link::stamped(frame_kind kind, time_point now) {
  frame out;
  out.kind = kind;
  out.from = here_;
  out.to = there_;
  for (int i = 0; i < lanes; ++i) {
    out.received[i] = lanes_[i].received;
    out.taken[i] = lanes_[i].told = intake_->taken(static_cast<lane_kind>(i));
  }
  out.sent_ns = static_cast<std::uint64_t>(now.count());
  if (heard_ns_ > 0)
    out.echo_ns =
        std::exchange(heard_ns_, 0) + static_cast<std::uint64_t>((now - last_heard_).count());
  last_sent_ = now;
  owes_ = false;
  return out;
}

bool reliable_link::awaits(const frame& f) const {
  return f.kind == frame_kind::parcel && f.from == there_ && f.to == here_ &&
         f.number == lanes_[static_cast<int>(f.lane)].received + 1;
}

std::vector<parcel> reliable_link::accept(frame f, time_point now) {
  if (f.from != there_ || f.to != here_) return {}; // of another life
  last_heard_ = now;
  heard_ns_ = f.sent_ns;
  if (f.echo_ns > 0 && f.echo_ns <= static_cast<std::uint64_t>(now.count()))
    counts_.round_trip = now - std::chrono::nanoseconds(f.echo_ns);
  for (int i = 0; i < lanes; ++i) {
    acknowledge(lanes_[i], f.received[i], now);
    if (f.taken[i] <= lanes_[i].acknowledged) // or it is not from an honest peer
      lanes_[i].credited = std::max(lanes_[i].credited, f.taken[i]);
  }
  auto& lane = lanes_[static_cast<int>(f.lane)];
  if (f.kind == frame_kind::state && f.number == lane.first) go_back(lane, now);
  if (f.kind != frame_kind::parcel) return {};
  if (!std::exchange(owes_, true)) owes_since_ = now;
  if (f.number > lane.received + 1) { // the other side will come back to it
    ++counts_.gaps;
    lane.misses = lane.misses || !std::exchange(lane.asked, true);
    return {};
  }
  const std::uint64_t known = std::min(lane.received - f.number + 1, 1 + f.more.size());
  counts_.duplicates += known;
  std::vector<parcel> out;
  if (known == 0) out.push_back(arrived(f.lane, std::move(f.content)));
  for (std::uint64_t i = std::max<std::uint64_t>(known, 1); i <= f.more.size(); ++i)
    out.push_back(arrived(f.lane, {.body = std::move(f.more[i - 1])}));
  lane.received += out.size();
  if (!out.empty()) lane.asked = false;
  return out;
}

parcel reliable_link::arrived(lane_kind lane, parcel content) {
  ++counts_.parcels_received;
  const auto bytes = content.bytes();
  counts_.bytes_received += bytes;
  content.credit = intake::credit(intake_, lane, bytes);
  return content;
}

void reliable_link::acknowledge(lane_state& lane, std::uint64_t received, time_point now) {
  if (received >= lane.fresh) return; // of what was never sent: not from an honest peer
  while (lane.first <= received) {
    const auto bytes = lane.kept.front().bytes();
    lane.kept_bytes -= bytes;
    lane.on_its_way -= std::min(lane.on_its_way, lane.first < lane.next ? bytes : 0);
    lane.acknowledged += bytes;
    lane.kept.pop_front();
    ++lane.first;
    lane.progress = now;
  }
  lane.next = std::max(lane.next, lane.first);
}

void reliable_link::broken(lane_kind lane) {
  lanes_[static_cast<int>(lane)].open = false;
}

void reliable_link::reconnected(lane_kind index, time_point now) {
  auto& lane = lanes_[static_cast<int>(index)];
  go_back(lane, now);
  lane.open = true;
  lane.asked = false;
  last_heard_ = now;
  last_sent_ = now - options_.heartbeat; // says at once what came
  heard_ns_ = 0;
}

time_point reliable_link::wake_at() const {
  time_point out = time_point::max();
  if (lanes_[static_cast<int>(lane_kind::small)].open) {
    out = last_sent_ + options_.heartbeat;
    if (owes_) out = std::min(out, owes_since_ + options_.acknowledge_within);
    if (owes_much() || std::any_of(std::begin(lanes_), std::end(lanes_), [](const auto& lane) {
          return lane.misses;
        }))
      return time_point{0};
  }
  for (int i = 0; i < lanes; ++i) {
    if (may_send(lanes_[i], i)) return time_point{0};
    if (lanes_[i].open && lanes_[i].next > lanes_[i].first)
      out = std::min(out, lanes_[i].progress + options_.resend_after);
  }
  return out;
}

time_point reliable_link::silent_at() const {
  return last_heard_ + options_.silent_after;
}

bool reliable_link::is_silent(time_point now) const {
  return now >= silent_at();
}

bool reliable_link::is_stuck(lane_kind index, time_point now) const {
  const auto& lane = lanes_[static_cast<int>(index)];
  const std::chrono::duration<double> transfer(static_cast<double>(lane.on_its_way) /
                                               options_.slowest_bytes_per_second);
  return lane.open && lane.next > lane.first &&
         now - lane.progress >= options_.stuck_after + transfer;
}

bool reliable_link::is_drained() const {
  return std::all_of(
      std::begin(lanes_), std::end(lanes_), [](const auto& lane) { return lane.kept.empty(); });
}

std::size_t reliable_link::kept_bytes() const {
  std::size_t out = 0;
  for (const auto& lane : lanes_)
    out += lane.kept_bytes;
  return out;
}

std::size_t reliable_link::kept_parcels() const {
  std::size_t out = 0;
  for (const auto& lane : lanes_)
    out += lane.kept.size();
  return out;
}

link_counts reliable_link::counts() const {
  link_counts out = counts_;
  out.untaken_bytes = static_cast<std::size_t>(
      counts_.bytes_received - intake_->taken(lane_kind::small) - intake_->taken(lane_kind::bulk));
  for (int i = 0; i < lanes; ++i) {
    const auto& lane = lanes_[i];
    const std::size_t window = options_.window_bytes[static_cast<std::size_t>(i)];
    out.unacknowledged_bytes += lane.on_its_way;
    out.waiting_bytes += lane.kept_bytes - std::min(lane.kept_bytes, lane.on_its_way);
    out.credit_bytes += window - std::min(window, static_cast<std::size_t>(lent(lane)));
  }
  return out;
}

} // namespace troupe::net
