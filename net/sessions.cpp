#include "net/sessions.hpp"

#include "net/archive.hpp"
#include "net/processes.hpp"
#include "ops/assert.hpp"

#include <algorithm>

namespace troupe::net {

namespace {

constexpr std::size_t ended_max = 4096; // lives that are remembered
constexpr std::size_t told_max = 256;   // texts likewise
constexpr int asked_max = 5;            // doublings of the time between two questions for a lane

std::string seconds_text(std::chrono::nanoseconds time) {
  const auto tenths = std::chrono::duration_cast<std::chrono::milliseconds>(time).count() / 100;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " s";
}

} // namespace

sessions::sessions(session_options options)
    : options_(std::move(options)), dials_(options_.me.life, options_.dial) {}

void sessions::dial(const std::string& endpoint, const std::string& server_key) {
  dials_.add(endpoint, server_key, false);
}

bool sessions::post(const node_life& to, lane_kind lane, parcel content) {
  session* s = find(to);
  if (s == nullptr) return false;
  if (s->borrows)
    for (payload& p : content.payloads)
      p.lent = options_.lends->lend(options_.me, to, s->who.process, p);
  s->link.post(lane, std::move(content));
  return true;
}

sessions::session* sessions::find(const node_life& who) {
  const auto at = sessions_.find(who.node);
  return at == sessions_.end() || at->second.who.who != who ? nullptr : &at->second;
}

bool sessions::is_linked(const node_life& who) const {
  const auto at = sessions_.find(who.node);
  return at != sessions_.end() && at->second.who.who == who && at->second.route[0] != 0;
}

void sessions::received(connection c,
                        const std::string& key,
                        std::span<const std::byte> first,
                        std::vector<payload> payloads,
                        time_point now) {
  auto at = meetings_.find(c);
  if (at == meetings_.end()) {
    if (meetings_.size() >= options_.connections_max) {
      to_close_.push_back(c);
      return;
    }
    at = meetings_.emplace(c, meeting{}).first;
    at->second.key = key;
    at->second.until = now + options_.handshake_within;
  }
  try {
    frame f = decode(first, std::move(payloads), options_.limits);
    if (options_.faults && !options_.faults->hears(f)) return;
    take(c, at->second, std::move(f), now);
  } catch (const other_version& e) {
    ++counts_.malformed;
    refuse(c, false, e.what(), now);
  } catch (const malformed& e) {
    ++counts_.malformed;
    refuse(c, true, e.what(), now);
  }
}

void sessions::take(connection c, meeting& at, frame f, time_point now) {
  switch (f.kind) {
  case frame_kind::hello:
    return f.to.life == 0 ? greeted(c, at, f, now) : joined(c, at, f, now);
  case frame_kind::welcome:
    return welcomed(c, at, f, now);
  case frame_kind::refusal:
    return was_refused(c, at, f, now);
  case frame_kind::bye:
    return parted(at, f, now);
  case frame_kind::parcel:
  case frame_kind::state:
    return carried(c, at, std::move(f), now);
  }
}

void sessions::carried(connection c, const meeting& at, frame f, time_point now) {
  session* s = find(at.peer);
  if (s == nullptr || f.from != at.peer || s->route[static_cast<int>(at.lane)] != c) {
    ++counts_.strangers;
    return refuse(c, true, "a frame of no link", now);
  }
  if (at.dialled) dials_.works(*at.dialled);
  s->borrows = options_.lends && f.borrows && s->who.process.machine == this_process().machine;
  if (s->link.awaits(f) && !borrow(*s, f.content))
    return refuse(c, true, "a loan that was taken back", now);
  for (parcel& content : s->link.accept(std::move(f), now))
    events_.push_back(parcel_came{at.peer, std::move(content)});
}

// What it says of loans is read once: a doubled frame has none. Throws malformed.
bool sessions::borrow(const session& s, parcel& content) {
  for (payload& p : content.payloads) {
    if (!p.lent) continue;
    if (s.memory == nullptr) throw malformed("a loan to a node that does not borrow");
    auto taken = s.memory->take(*p.lent);
    if (!taken) return false;
    p = std::move(*taken);
  }
  return true;
}

void sessions::parted(const meeting& at, const frame& f, time_point now) {
  if (f.from == at.peer && find(at.peer) != nullptr)
    down(at.peer.node, "it ended", ending::for_good, now);
}

void sessions::attach(session& s, lane_kind lane, connection c, meeting& at, time_point now) {
  auto& route = s.route[static_cast<int>(lane)];
  at.peer = s.who.who;
  at.lane = lane;
  if (route == c) return;
  if (route != 0)
    refuse(std::exchange(route, connection{0}), true, "another connection took its place", now);
  route = c;
  s.asked = 0;
  wait_for_bulk(s, now);
  s.link.reconnected(lane, now);
  s.trouble.clear();
}

// The connection is no way to its peer any more.
void sessions::detach(connection c, const std::string& why, time_point now) {
  const auto at = meetings_.find(c);
  if (at == meetings_.end()) return;
  const meeting m = std::move(at->second);
  meetings_.erase(at);
  if (m.dialled) dials_.closed(*m.dialled, why, now);
  session* s = m.peer.life == 0 ? nullptr : find(m.peer);
  if (s == nullptr || s->route[static_cast<int>(m.lane)] != c) return;
  s->route[static_cast<int>(m.lane)] = 0;
  s->link.broken(m.lane);
  ++s->reconnections;
  wait_for_bulk(*s, now);
  if (m.lane != lane_kind::small) return;
  s->away_since = now;
  s->trouble = why;
}

void sessions::drop(connection c, const std::string& why, time_point now) {
  detach(c, why, now);
  to_close_.push_back(c);
}

void sessions::broken(connection c, const std::string& why, time_point now) {
  detach(c, why, now);
}

void sessions::process_ended(const node_life& who, time_point now) {
  if (session* s = find(who)) s->process_ended = now;
}

void sessions::down(std::uint32_t node, const std::string& reason, ending how, time_point now) {
  const auto at = sessions_.find(node);
  if (at == sessions_.end()) return;
  const node_life who = at->second.who.who;
  const connection routes[lanes] = {at->second.route[0], at->second.route[1]};
  events_.push_back(peer_down{who, reason, at->second.link.kept_parcels()});
  sessions_.erase(at);
  if (options_.lends) options_.lends->ended(options_.me, who);
  const auto body = encode(refusal_body{true, reason});
  for (const connection c : routes)
    if (c != 0) {
      say(c, frame_kind::refusal, who, meetings_.at(c).lane, body);
      drop(c, "", now);
    }
  if (gave_up_.size() >= ended_max) gave_up_.erase(gave_up_.begin());
  if (how == ending::given_up_here) ++gave_up_[{who.node, who.life}];
  if (how == ending::for_good) end(who);
}

void sessions::end(const node_life& who) {
  gave_up_.erase({who.node, who.life});
  if (given_.contains(who.node) && given_[who.node] == who.life) given_.erase(who.node);
  dials_.ended(who);
  ended_.push_back(who);
  if (ended_.size() > ended_max) ended_.pop_front();
}

bool sessions::has_ended(const node_life& who) const {
  return std::find(ended_.begin(), ended_.end(), who) != ended_.end();
}

std::uint64_t sessions::given_up(const node_life& who) const {
  const auto at = gave_up_.find({who.node, who.life});
  return at == gave_up_.end() ? 0 : at->second;
}

void sessions::trust(trust_list list, time_point now) {
  options_.trust = std::move(list);
  std::vector<std::uint32_t> lost;
  for (const auto& [node, s] : sessions_) {
    const trusted_key* key = options_.trust->find(s.self.public_key);
    if (key == nullptr || !key->may_be(node)) lost.push_back(node);
  }
  for (const std::uint32_t node : lost)
    down(node, "its key is not trusted any more", ending::given_up_here, now);
}

void sessions::advance(time_point now) {
  if (options_.lends) options_.lends->collect();
  std::vector<connection> late;
  for (const auto& [c, at] : meetings_)
    if (at.peer.life == 0 && now >= at.until) late.push_back(c);
  for (const connection c : late)
    drop(c, "no answer within " + seconds_text(options_.handshake_within), now);
  std::vector<std::uint32_t> gone;
  for (auto& [node, s] : sessions_) {
    check(s, now);
    if (now >= given_up_at(s)) gone.push_back(node);
  }
  for (const std::uint32_t node : gone) {
    const session& s = sessions_.at(node);
    if (s.process_ended) {
      down(node, "its process ended", ending::for_good, now);
      continue;
    }
    down(node,
         "no connection for " + seconds_text(options_.give_up_after) +
             (s.trouble.empty() ? "" : ": " + s.trouble),
         ending::given_up_here,
         now);
  }
}

// A process that ended has broken its connections: what came before that is heard first.
time_point sessions::given_up_at(const session& s) const {
  const bool away = s.route[0] == 0;
  if (s.process_ended) return away ? time_point{0} : *s.process_ended + options_.last_words_within;
  return away ? s.away_since + options_.give_up_after : time_point::max();
}

// Lanes that are broken, though nobody said so. What is dropped here may still stand for who
// dialled it, who is told: ZeroMQ closes no connection that was dialled from elsewhere.
void sessions::check(session& s, time_point now) {
  if (s.route[0] != 0 && s.link.is_silent(now)) {
    const std::string why = "nothing heard for " + seconds_text(options_.link.silent_after);
    for (const connection c : {s.route[1], s.route[0]})
      if (c != 0) refuse(c, true, why, now);
    s.away_since = now - options_.link.silent_after;
  }
  for (const lane_kind lane : {lane_kind::small, lane_kind::bulk}) {
    const connection c = s.route[static_cast<int>(lane)];
    if (c == 0 || !s.link.is_stuck(lane, now)) continue;
    // Who dialled dials again; who was dialled asks for it, on a lane that may still stand.
    if (s.route[0] != 0 && !meetings_.at(c).dialled) ask_again(s, lane, "a lane without progress");
    drop(c, "a lane without progress", now);
  }
  if (const auto at = asks_at(s); at && now >= *at) {
    ask_again(s, lane_kind::bulk, "a lane that does not stand here");
    ++s.asked;
    wait_for_bulk(s, now);
  }
}

void sessions::ask_again(session& s, lane_kind lane, const std::string& why) {
  say(s.route[0], frame_kind::refusal, s.who.who, lane, encode(refusal_body{true, why}));
  to_say_.back().what.number = 1 + static_cast<std::uint64_t>(lane);
}

// The bulk lane has no heartbeat: who dialled it may believe that it stands, though its hello, or
// the word of its end, was lost. Who was dialled asks for one that stays away.
std::optional<time_point> sessions::asks_at(const session& s) const {
  if (s.route[0] == 0 || s.route[1] != 0 || meetings_.at(s.route[0]).dialled) return {};
  return s.asks_at;
}

// Longer each time, so that a lane that is slow to come is not asked for until it never comes.
void sessions::wait_for_bulk(session& s, time_point now) const {
  s.asks_at = now + options_.link.stuck_after * (1 << std::min(s.asked, asked_max));
}

void sessions::stop(const std::string& why, time_point now) {
  dials_.abandon_all();
  std::vector<std::uint32_t> nodes;
  for (const auto& [node, s] : sessions_) {
    if (s.route[0] != 0) say(s.route[0], frame_kind::bye, s.who.who, lane_kind::small, {});
    nodes.push_back(node);
  }
  for (const std::uint32_t node : nodes)
    down(node, why, ending::for_good, now);
}

std::optional<dial_order> sessions::next_dial(time_point now) {
  const auto order = dials_.due(
      now, [this](const node_life& who) { return is_linked(who); }, options_.me.node == no_node);
  if (!order) return {};
  const connection c = fresh_connection();
  dials_.opened(*order, c);
  const auto& place = dials_.at(order->place);
  meeting& at = meetings_[c];
  at.dialled = order;
  at.lane = order->lane;
  at.key = place.server_key;
  at.until = now + options_.handshake_within;
  hello_body said{.self = options_.self};
  session* s = order->lane == lane_kind::bulk ? find(place.peer) : nullptr;
  TROUPE_ASSERT(s != nullptr || order->lane == lane_kind::small, "the small lane stands");
  if (s != nullptr) {
    said.gave_up = s->gave_up;
    said.heard_gave_up = s->heard_gave_up;
  }
  const node_life to = s != nullptr ? place.peer : node_life{no_node, 0};
  say(c, frame_kind::hello, to, order->lane, encode(said));
  if (s != nullptr) {
    attach(*s, lane_kind::bulk, c, at, now);
    dials_.stands(*order);
  }
  return dial_order{c, place.endpoint, place.server_key};
}

std::optional<connection> sessions::next_close() {
  if (to_close_.empty()) return {};
  const connection out = to_close_.front();
  to_close_.pop_front();
  return out;
}

std::optional<sending> sessions::next_sending(time_point now) {
  if (!to_say_.empty()) {
    sending out = std::move(to_say_.front());
    to_say_.pop_front();
    return out;
  }
  auto at = sessions_.lower_bound(turn_);
  for (std::size_t i = 0; i < sessions_.size(); ++i, ++at) {
    if (at == sessions_.end()) at = sessions_.begin();
    auto f = at->second.link.next(now);
    if (!f) continue;
    turn_ = at->first + 1;
    f->borrows = at->second.memory != nullptr;
    const auto lane = f->kind == frame_kind::parcel ? f->lane : lane_kind::small;
    return sending{at->second.route[static_cast<int>(lane)], std::move(*f)};
  }
  return {};
}

std::optional<session_event> sessions::next_event() {
  if (events_.empty()) return {};
  session_event out = std::move(events_.front());
  events_.pop_front();
  return out;
}

time_point sessions::wake_at() const {
  if (!to_say_.empty() || !to_close_.empty() || !events_.empty()) return time_point{0};
  time_point out = dials_.wake_at([this](const node_life& who) { return is_linked(who); },
                                  options_.me.node == no_node);
  for (const auto& [c, at] : meetings_)
    if (at.peer.life == 0) out = std::min(out, at.until);
  for (const auto& [node, s] : sessions_) {
    out = std::min(out, s.link.wake_at());
    out = std::min(out, given_up_at(s));
    if (s.route[0] != 0) out = std::min(out, s.link.silent_at());
    out = std::min(out, asks_at(s).value_or(time_point::max()));
  }
  return out;
}

bool sessions::is_drained() const {
  return std::all_of(sessions_.begin(), sessions_.end(), [](const auto& entry) {
    return entry.second.link.is_drained();
  });
}

std::vector<link_report> sessions::links() const {
  std::vector<link_report> out;
  for (const auto& [node, s] : sessions_) {
    link_report one{.who = s.who.who, .borrows = s.borrows};
    for (int i = 0; i < lanes; ++i)
      one.connected[i] = s.route[i] != 0;
    one.reconnections = s.reconnections;
    one.kept_bytes = s.link.kept_bytes();
    one.counts = s.link.counts();
    out.push_back(one);
  }
  return out;
}

void sessions::say(
    connection c, frame_kind kind, node_life to, lane_kind lane, std::vector<std::byte> body) {
  frame f;
  f.kind = kind;
  f.from = options_.me;
  f.to = to;
  f.lane = lane;
  f.content.body = std::move(body);
  to_say_.push_back({c, std::move(f)});
}

void sessions::tell(const std::string& text) {
  if (told_.size() < told_max && told_.insert(text).second) events_.push_back(node_refused{text});
}

} // namespace troupe::net
