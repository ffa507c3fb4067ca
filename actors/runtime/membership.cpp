#include "actors/runtime/membership.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

namespace troupe {

namespace {

// Who goes home may lose what it knows, and so may its copies at the same time.
bool keeps(role_kind role) {
  return role == role_kind::parameter_holder || role == role_kind::residual_keeper;
}

} // namespace

membership::membership(directory& known,
                       std::uint32_t nodes,
                       std::pair<std::string, std::string> start,
                       std::function<bool(const address&)> has_state,
                       std::function<std::vector<address>(const address&)> copies_of)
    : known_(known),
      nodes_(nodes),
      start_(std::move(start)),
      has_state_(std::move(has_state)),
      copies_of_(std::move(copies_of)) {}

bool membership::is_there(std::uint32_t node) const {
  return node == 0 || there_.contains(node);
}

std::vector<std::uint32_t> membership::missing() const {
  std::vector<std::uint32_t> out;
  for (std::uint32_t n = 0; n < nodes_; ++n)
    if (!is_there(n) && !left_.contains(n)) out.push_back(n);
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
  if (const auto left = left_.find(who.node); left != left_.end() && left->second == who.life)
    told_.erase(who.node); // a drained one, whose link broke before it heard that it may end
  else
    left_.erase(who.node), told_.erase(who.node);
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
  if (left_.contains(who.node)) return;
  for (const address& a : known_.all())
    if (const auto& e = known_.at(a); e.home == who.node && e.node != e.home && !keeps(a.role))
      out.ends.push_back(a);
}

membership::outcome membership::move_from(std::uint32_t node) {
  outcome out;
  if (is_there(node) || !left_.emplace(node, 0).second) return out;
  for (const address& a : known_.on(node))
    if (const auto life = known_.at(a).life; life > 0)
      out.deaths.push_back({a, life, true, why_missing(node)});
  return out;
}

membership::outcome membership::drain(std::uint32_t node) {
  if (!is_there(node)) return move_from(node);
  outcome out;
  if (!left_.emplace(node, there_.at(node).life).second) return out;
  out.ends = known_.on(node);
  return out;
}

std::vector<std::pair<std::uint32_t, cluster_order>> membership::emptied() {
  std::vector<std::pair<std::uint32_t, cluster_order>> out;
  for (const auto& [node, life] : left_)
    if (there_.contains(node) && known_.on(node).empty() && told_.insert(node).second)
      out.emplace_back(node, order::over{.drained = true});
  return out;
}

std::uint32_t membership::node_for(const address& who) const {
  const auto home = known_.at(who).home;
  if (!left_.contains(home)) return home;
  const auto copies = copies_of_ ? copies_of_(who) : std::vector<address>{};
  const auto burden = [&](std::uint32_t node) {
    const auto has_copy = std::any_of(copies.begin(), copies.end(), [&](const address& c) {
      return c != who && known_.at(c).node == node;
    });
    return std::tuple(has_copy, known_.on(node).size(), node);
  };
  auto best = burden(0);
  for (const auto& [node, m] : there_)
    if (!left_.contains(node) && (!keeps(who.role) || is_home_of_keepers(node)))
      best = std::min(best, burden(node));
  return std::get<2>(best);
}

// There it is known where the job begins, as on node 0: whoever loses everything begins there.
bool membership::is_home_of_keepers(std::uint32_t node) const {
  const auto all = known_.all();
  return std::any_of(all.begin(), all.end(), [&](const address& a) {
    return keeps(a.role) && known_.at(a).home == node;
  });
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
    out.push_back({a, e.life + 1, node_for(a)});
    known_.place(out.back());
  }
  return out;
}

} // namespace troupe
