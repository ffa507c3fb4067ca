// How sessions begin: hello, welcome, refusal.
#include "net/sessions.hpp"

#include <algorithm>

namespace troupe::net {

// Why a node that said so of itself cannot be a peer; "" if it can.
std::string
sessions::objection(const meeting& at, const node_life& who, const introduction& theirs) const {
  const std::string name = node_name(who.node), here = node_name(options_.me.node);
  std::string out = disagreement(options_.self, here, theirs, name);
  if (!out.empty()) return here + " and " + name + " are not of one job: " + out;
  if (who.node == options_.me.node) return "there is a " + name + " already: " + here + " itself";
  if (has_ended(who)) return "this life of " + name + " has ended: it must start again";
  return key_objection(at, who.node, theirs);
}

std::string
sessions::key_objection(const meeting& at, std::uint32_t node, const introduction& theirs) const {
  if (!options_.trust) return "";
  const trusted_key* key = options_.trust->find(at.key);
  const std::string here = node_name(options_.me.node), name = node_name(node);
  if (key == nullptr) return here + " does not trust the key of " + name;
  if (theirs.public_key != at.key) return name + " says another key than it has";
  if (!key->may_be(node))
    return "the key '" + key->name + "' may be node " + key->nodes_text() + ", not " + name +
           " (the list of " + here + ")";
  return "";
}

// The lowest that nobody has; then the lowest of one that is not up.
std::uint32_t sessions::number_for(const meeting& at, std::uint64_t life) {
  for (const auto& [number, owner] : given_)
    if (owner == life) return number;
  const trusted_key* key = options_.trust ? options_.trust->find(at.key) : nullptr;
  for (const bool again : {false, true})
    for (std::uint64_t n = options_.gives.first; n <= options_.gives.second; ++n) {
      const auto number = static_cast<std::uint32_t>(n);
      if (number == options_.me.node || sessions_.contains(number)) continue;
      if ((key != nullptr && !key->may_be(number)) || (!again && given_.contains(number))) continue;
      given_[number] = life;
      return number;
    }
  return no_node;
}

void sessions::greeted(connection c, const meeting& at, const frame& f, time_point now) {
  const hello_body said = decode_hello(f.content.body);
  if (f.from.life == options_.me.life) return refuse(c, false, "", now); // this node itself
  if (options_.me.node == no_node) return refuse(c, true, "it has no number itself yet", now);
  node_life who = f.from;
  if (who.node == no_node) {
    const std::string why =
        disagreement(options_.self, node_name(options_.me.node), said.self, node_name(no_node));
    if (!why.empty())
      return refuse(c, false, "a node that asked for a number is not of this job: " + why, now);
    who.node = number_for(at, who.life);
    if (who.node == no_node)
      return refuse(c, true, node_name(options_.me.node) + " has no number left to give", now);
  }
  const std::string why = objection(at, who, said.self);
  if (!why.empty()) return reject(c, at, why, now);
  say(c,
      frame_kind::welcome,
      who,
      f.lane,
      encode(welcome_body{.self = options_.self, .number = who.node, .gave_up = given_up(who)}));
}

// Told to a peer that has joined, so that of two that join at one time the later hears of the
// earlier.
welcome_body sessions::neighbours_for(const node_life& who) const {
  welcome_body out{.self = options_.self, .number = who.node, .gave_up = given_up(who)};
  for (const auto& [node, s] : sessions_)
    if (node != who.node && !s.self.endpoints.empty())
      out.neighbours.push_back({node, s.self.endpoints, s.self.public_key});
  return out;
}

void sessions::joined(connection c, meeting& at, const frame& f, time_point now) {
  const hello_body said = decode_hello(f.content.body);
  if (at.peer.life != 0) return refuse(c, true, "a second hello", now);
  const std::string why = objection(at, f.from, said.self);
  if (!why.empty()) return reject(c, at, why, now);
  if (f.to != options_.me) return refuse(c, true, "a hello to another life", now);
  make_room(f.from, said.gave_up, now);
  session* s = find(f.from);
  const std::uint64_t expected = s != nullptr ? s->heard_gave_up : said.gave_up;
  if (said.heard_gave_up != given_up(f.from) || said.gave_up != expected)
    return refuse(c, true, "a hello to a link that was given up", now);
  if (s == nullptr) s = &open(f.from, at, said, now);
  attach(*s, f.lane, c, at, now);
  if (f.lane == lane_kind::small)
    say(c, frame_kind::welcome, f.from, f.lane, encode(neighbours_for(f.from)));
}

// For the link to that life after so many that it gave up: an older link, or another life, ends.
void sessions::make_room(const node_life& who, std::uint64_t heard_gave_up, time_point now) {
  const auto at = sessions_.find(who.node);
  if (at != sessions_.end() && at->second.who.who != who)
    down(who.node, "another life took its place", ending::for_good, now);
  else if (at != sessions_.end() && at->second.heard_gave_up < heard_gave_up)
    down(who.node, "it gave the link up", ending::given_up_there, now);
  std::vector<node_life> older;
  for (auto life = gave_up_.lower_bound({who.node, 0});
       life != gave_up_.end() && life->first.first == who.node;
       ++life)
    if (life->first.second != who.life) older.push_back({who.node, life->first.second});
  for (const node_life& one : older)
    end(one);
}

sessions::session&
sessions::open(const node_life& who, const meeting& at, const hello_body& said, time_point now) {
  const trusted_key* key = options_.trust ? options_.trust->find(at.key) : nullptr;
  peer one{who, said.self.roles, key != nullptr ? key->name : "", said.self.process};
  session fresh{.who = one,
                .self = said.self,
                .gave_up = given_up(who),
                .heard_gave_up = said.gave_up,
                .link = reliable_link(options_.me, who, options_.link, now),
                .memory =
                    options_.lends ? borrower::open(said.self.process, said.self.memory) : nullptr};
  fresh.link.broken(lane_kind::small);
  fresh.link.broken(lane_kind::bulk);
  fresh.away_since = now;
  events_.push_back(peer_up{std::move(one)});
  return sessions_.insert_or_assign(who.node, std::move(fresh)).first->second;
}

void sessions::welcomed(connection c, meeting& at, const frame& f, time_point now) {
  if (!at.dialled) return refuse(c, true, "a welcome that nobody asked", now);
  const welcome_body said = decode_welcome(f.content.body);
  if (at.peer.life != 0) return learn(said.neighbours);
  const std::string why = objection(at, f.from, said.self);
  if (!why.empty()) return reject(c, at, why, now);
  if (options_.me.node == no_node) options_.me.node = said.number;
  dials_.at(at.dialled->place).peer = f.from;
  // Two nodes that dial each other keep the lines that the higher number dialled.
  if (is_linked(f.from) && options_.me.node < f.from.node) return drop(c, "", now);
  make_room(f.from, said.gave_up, now);
  session* s = find(f.from);
  const hello_body reply{
      .self = options_.self, .gave_up = given_up(f.from), .heard_gave_up = said.gave_up};
  if (s == nullptr) s = &open(f.from, at, {.self = said.self, .gave_up = said.gave_up}, now);
  say(c, frame_kind::hello, f.from, lane_kind::small, encode(reply));
  attach(*s, lane_kind::small, c, at, now);
  dials_.stands(*at.dialled);
}

void sessions::learn(const std::vector<neighbour>& neighbours) {
  if (!options_.dials_neighbours) return;
  for (const neighbour& other : neighbours)
    if (other.node != options_.me.node && !other.endpoints.empty())
      dials_.add(other.endpoints.front(), other.public_key, true);
}

// Somebody who does not belong here; a key that is not in the list may come into it.
void sessions::reject(connection c, const meeting& at, const std::string& why, time_point now) {
  const bool stranger = options_.trust && options_.trust->find(at.key) == nullptr;
  if (stranger) tell(why);
  refuse(c, stranger, why, now);
}

void sessions::refuse(connection c, bool again, const std::string& text, time_point now) {
  say(c, frame_kind::refusal, {no_node, 0}, lane_kind::small, encode(refusal_body{again, text}));
  const auto at = meetings_.find(c);
  const bool dialled = at != meetings_.end() && at->second.dialled;
  if (dialled && !again) dials_.abandon(at->second.dialled->place, text);
  if (!again && !text.empty()) {
    ++counts_.refused;
    tell(text);
  }
  drop(c, text, now);
}

void sessions::was_refused(connection c, const meeting& at, const frame& f, time_point now) {
  const refusal_body said = decode_refusal(f.content.body);
  if (!at.dialled) {
    if (!said.again && !said.text.empty()) tell(said.text);
    return drop(c, said.text, now);
  }
  auto& place = dials_.at(at.dialled->place);
  const node_life peer = place.peer; // of this connection, or of one before
  if (said.again) {
    const bool other = f.number >= 1 && f.number <= lanes;
    const connection meant = other ? place.lines[f.number - 1].id : c;
    return meant == 0 ? void() : drop(meant, said.text, now);
  }
  dials_.abandon(at.dialled->place, said.text);
  if (!said.text.empty()) tell("refused at " + place.endpoint + ": " + said.text);
  drop(c, said.text, now);
  if (find(peer) != nullptr) down(peer.node, said.text, ending::given_up_here, now);
}

} // namespace troupe::net
