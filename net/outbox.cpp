#include "net/outbox.hpp"

namespace troupe::net {

sent outbox::put(const node_life& to, lane_kind lane, parcel content, hints& out) {
  const std::size_t bytes = content.bytes();
  const std::lock_guard lock(mutex_);
  const auto at = accounts_.find(to.node);
  if (closed_ || at == accounts_.end() || at->second.life != to.life) return sent::not_up;
  account& a = at->second;
  const std::size_t held = a.boxed + a.kept;
  if (held > 0 && held + bytes > bytes_max_) { // one parcel of any size is taken
    a.congested = true;
    return sent::congested;
  }
  a.boxed += bytes;
  out = {.was_empty = box_.empty(), .borrows = a.borrows};
  box_.push_back({to, lane, std::move(content)});
  return sent::taken;
}

std::vector<posted> outbox::take() {
  const std::lock_guard lock(mutex_);
  for (auto& [node, a] : accounts_) {
    a.kept += a.boxed;
    a.boxed = 0;
  }
  return std::exchange(box_, {});
}

void outbox::up(const node_life& who) {
  const std::lock_guard lock(mutex_);
  accounts_[who.node] = {.life = who.life};
}

void outbox::down(const node_life& who) {
  const std::lock_guard lock(mutex_);
  const auto at = accounts_.find(who.node);
  if (at != accounts_.end() && at->second.life == who.life) accounts_.erase(at);
}

void outbox::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
}

std::vector<node_life> outbox::keep(const std::vector<link_report>& links) {
  std::vector<node_life> out;
  const std::lock_guard lock(mutex_);
  for (const link_report& link : links) {
    const auto at = accounts_.find(link.who.node);
    if (at == accounts_.end() || at->second.life != link.who.life) continue;
    account& a = at->second;
    a.kept = link.kept_bytes;
    a.borrows = link.borrows;
    if (!a.congested || a.boxed + a.kept > bytes_max_ / 2) continue;
    a.congested = false;
    out.push_back(link.who);
  }
  return out;
}

} // namespace troupe::net
