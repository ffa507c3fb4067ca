#include "actors/runtime/directory.hpp"

#include <algorithm>
#include <utility>

namespace troupe {

void directory::add(const address& who, std::uint32_t home) {
  auto& e = entries_[who];
  e.node = e.home = home;
}

void directory::admit(const member& who) {
  auto& known = nodes_[who.node].admitted;
  if (who.term > known.term) known = who;
}

void directory::place(const placement& p) {
  const auto found = entries_.find(p.who);
  if (found == entries_.end() || p.life <= found->second.life) return;
  auto& e = found->second;
  // Who sent to the one before is told of this one, and says it again. (Before the first nobody
  // is.)
  std::erase_if(waiting_[e.node],
                [&](const addressed_message& m) { return m.to == p.who && m.to_life > 0; });
  e.life = p.life;
  e.node = p.node;
  if (p.node != here_)
    std::erase_if(early_[p.who], [&](const addressed_message& m) { return m.to_life <= p.life; });
}

void directory::view(const std::vector<member>& members, const std::vector<placement>& all) {
  // Node 0 may be another process than before, which counts from 1 again.
  for (auto& [node, n] : nodes_)
    n.admitted = {};
  for (auto& [who, e] : entries_)
    e.life = e.lost = 0;
  for (const member& m : members)
    nodes_[m.node].admitted = m;
  waiting_.clear();
  for (const placement& p : all)
    if (const auto e = entries_.find(p.who); e != entries_.end())
      e->second = {p.life, p.node == here_ ? p.life : 0, p.node, e->second.home};
}

void directory::leave() {
  for (auto& [who, e] : entries_)
    if (e.node == here_) e.lost = e.life;
  waiting_.clear();
  early_.clear();
}

void directory::linked(const net::node_life& peer) {
  nodes_[peer.node].linked = peer.life;
}

bool directory::unlinked(const net::node_life& peer) {
  auto& n = nodes_[peer.node];
  if (n.linked == peer.life) n.linked = 0;
  if (n.admitted.life != peer.life) return false;
  for (auto& [who, e] : entries_)
    if (e.node == peer.node) e.lost = e.life;
  std::erase_if(waiting_[peer.node], [](const addressed_message& m) { return m.to_life > 0; });
  return true;
}

const directory::node_entry* directory::reachable(std::uint32_t node) const {
  const auto found = nodes_.find(node);
  if (found == nodes_.end()) return nullptr;
  const auto& n = found->second;
  return n.linked != 0 && n.linked == n.admitted.life ? &n : nullptr;
}

directory::way directory::outgoing(addressed_message& m, net::node_life& to) const {
  const entry& e = at(m.to);
  m.to_life = e.life;
  if (e.life > 0 && e.life <= e.lost) return way::lost;
  const node_entry* n = reachable(e.node);
  if (e.life == 0 || n == nullptr) return way::waits;
  to = {e.node, n->linked};
  return way::goes;
}

void directory::keep(addressed_message m) {
  waiting_[at(m.to).node].push_back(std::move(m));
}

std::vector<addressed_message> directory::released(std::uint32_t to) {
  std::vector<addressed_message> out;
  const auto found = waiting_.find(to);
  if (found == waiting_.end() || found->second.empty() || reachable(to) == nullptr) return out;
  auto& all = found->second;
  const auto still = std::stable_partition(
      all.begin(), all.end(), [&](const auto& m) { return at(m.to).life > 0; });
  out.assign(std::make_move_iterator(all.begin()), std::make_move_iterator(still));
  all.erase(all.begin(), still);
  return out;
}

bool directory::may_say(std::uint32_t node, const addressed_message& m) const {
  if (m.from_life == 0) return m.from == m.to && m.to.role == role_kind::director;
  const auto from = entries_.find(m.from);
  // A life that is not known yet may be anywhere: it was placed, and that is on its way.
  return from != entries_.end() && (from->second.node == node || m.from_life > from->second.life);
}

directory::arrival directory::incoming(const addressed_message& m) const {
  const auto from = entries_.find(m.from), to = entries_.find(m.to);
  if (from == entries_.end() || to == entries_.end()) return arrival::stale;
  // What the run's owner says has no life.
  if (m.from_life > 0 && m.from_life < from->second.life) return arrival::stale;
  const entry& e = to->second;
  if (m.to_life > e.life) return arrival::waits;
  return e.node == here_ && e.life > e.lost ? arrival::heard : arrival::stale;
}

void directory::keep_early(addressed_message m) {
  early_[m.to].push_back(std::move(m));
}

std::vector<addressed_message> directory::hear_early(const address& who) {
  std::vector<addressed_message> out;
  const auto found = early_.find(who);
  if (found == early_.end()) return out;
  for (auto& m : std::exchange(found->second, {})) {
    const auto now = incoming(m);
    if (now == arrival::heard) out.push_back(std::move(m));
    if (now == arrival::waits) found->second.push_back(std::move(m));
  }
  if (found->second.empty()) early_.erase(found);
  return out;
}

member directory::admitted(std::uint32_t node) const {
  const auto found = nodes_.find(node);
  return found == nodes_.end() ? member{node, 0, 0} : found->second.admitted;
}

std::vector<address> directory::all() const {
  std::vector<address> out;
  for (const auto& [who, e] : entries_)
    out.push_back(who);
  return out;
}

std::vector<address> directory::on(std::uint32_t node) const {
  std::vector<address> out;
  for (const auto& [who, e] : entries_)
    if (e.node == node) out.push_back(who);
  return out;
}

std::vector<placement> directory::placements() const {
  std::vector<placement> out;
  for (const auto& [who, e] : entries_)
    if (e.life > 0) out.push_back({who, e.life, e.node});
  return out;
}

} // namespace troupe
