#include "actors/runtime/membership.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe {

membership::membership(directory& known,
                       std::uint32_t nodes,
                       std::pair<std::string, std::string> start,
                       std::function<bool(const address&)> has_state)
    : known_(known), nodes_(nodes), start_(std::move(start)), has_state_(std::move(has_state)) {}

bool membership::is_there(std::uint32_t node) const {
  return node == 0 || there_.contains(node);
}

std::vector<std::uint32_t> membership::missing() const {
  std::vector<std::uint32_t> out;
  for (std::uint32_t n = 0; n < nodes_; ++n)
    if (!is_there(n)) out.push_back(n);
  return out;
}

std::string membership::why_missing(std::uint32_t node) const {
  const auto found = ended_.find(node);
  return found == ended_.end() ? std::string() : found->second;
}

bool membership::has_state(std::uint32_t node) const {
  const auto all = known_.on(node);
  return std::any_of(all.begin(), all.end(), has_state_);
}

bool membership::is_current(const member& who) const {
  const auto found = there_.find(who.node);
  return found != there_.end() && found->second.term == who.term;
}

std::vector<std::pair<std::uint32_t, cluster_order>>
membership::to_all(const cluster_order& o) const {
  std::vector<std::pair<std::uint32_t, cluster_order>> out;
  for (const auto& [node, m] : there_)
    out.emplace_back(node, o);
  return out;
}

membership::outcome membership::up(const net::node_life& who) {
  outcome out;
  if (who.node == 0 || who.node >= nodes_) return out; // nothing for it to do
  if (is_there(who.node)) end_term(who.node, "it came again");
  take_in(who, out);
  return out;
}

// It hears who is there and who plays what, others hear of it; then its dead are told.
void membership::take_in(const net::node_life& who, outcome& out) {
  const member fresh{who.node, who.life, known_.admitted(who.node).term + 1};
  known_.admit(fresh);
  const auto others = to_all(order::place{{fresh}, {}});
  out.orders.insert(out.orders.end(), others.begin(), others.end());
  there_[who.node] = fresh;
  order::view everything{{}, known_.placements(), start_.first, start_.second};
  for (const auto& [node, m] : there_)
    everything.members.push_back(m);
  everything.members.push_back(known_.admitted(0));
  out.orders.emplace_back(who.node, std::move(everything));
  for (const address& a : known_.on(who.node))
    if (const auto life = known_.at(a).life; life > 0)
      out.deaths.push_back({a, life, true, ended_[who.node]});
}

void membership::end_term(std::uint32_t node, const std::string& reason) {
  there_.erase(node);
  ended_[node] = fmt::format("node {} was lost: {}", node, reason);
}

membership::outcome membership::down(const net::node_life& who, const std::string& reason) {
  outcome out;
  const auto found = there_.find(who.node);
  if (found != there_.end() && found->second.life == who.life) end_term(who.node, reason);
  return out;
}

membership::outcome membership::lost(std::uint32_t reporter, const order::lost& what) {
  outcome out;
  const auto own = there_.find(reporter);
  if (!is_current(what.other) || own == there_.end() || own->second.term != what.own_term)
    return out; // one of them has begun anew since
  const auto other = what.other.node;
  const bool other_goes =
      has_state(other) != has_state(reporter) ? has_state(reporter) : other > reporter;
  const member who = there_.at(other_goes ? other : reporter);
  const auto reason =
      fmt::format("node {} lost the link to node {}: {}", reporter, other, what.reason);
  out.sent_away.push_back(who.node);
  out.orders.emplace_back(who.node, order::leave{reason});
  end_term(who.node, reason);
  take_in({who.node, who.life}, out);
  return out;
}

std::vector<placement> membership::start(const std::vector<address>& whom) {
  std::vector<placement> out;
  for (const address& a : whom) {
    const auto& e = known_.at(a);
    out.push_back({a, e.life + 1, e.node});
    known_.place(out.back());
  }
  return out;
}

} // namespace troupe
