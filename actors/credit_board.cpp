#include "actors/credit_board.hpp"

#include <algorithm>

namespace troupe {

namespace {

std::uint64_t& field(protocol::set_credit& of, credit_kind kind) {
  switch (kind) {
  case credit_kind::prefetch:
    return of.prefetch;
  case credit_kind::depth:
    return of.depth;
  case credit_kind::staleness:
    break;
  }
  return of.staleness;
}

} // namespace

credit_board::credit_board(const std::vector<credit_edges>& edges, std::uint64_t revision)
    : first_(revision), revision_(revision) {
  entries_.reserve(edges.size());
  for (const auto& e : edges)
    entries_.push_back({e, e.initial});
}

void credit_board::begin() {
  for (const auto& [e, value] : entries_)
    field(said_[e.who], e.kind) = e.kind == credit_kind::depth ? 0 : e.initial;
}

std::vector<credit_board::order> credit_board::set(const dial& d) {
  if (revision_ == first_) begin();
  for (auto& e : entries_)
    if (e.edges.kind == d.kind && (!d.of || e.edges.who == *d.of))
      e.value = std::min(d.value, e.edges.most);
  ++revision_;
  std::vector<order> out;
  for (const auto& e : entries_) {
    if (e.edges.kind != d.kind) continue;
    auto& said = said_.at(e.edges.who);
    const auto value = value_for(e);
    if (field(said, d.kind) == value) continue;
    field(said, d.kind) = value;
    said.revision = revision_;
    out.push_back({e.edges.who, said});
  }
  return out;
}

std::uint64_t credit_board::value_for(const entry& e) const {
  if (e.edges.kind != credit_kind::depth) return e.value;
  const bool lowered = std::any_of(entries_.begin(), entries_.end(), [&](const entry& other) {
    return other.edges.kind == credit_kind::depth &&
           other.edges.who.replica == e.edges.who.replica && other.value < other.edges.most;
  });
  return lowered ? e.value : 0;
}

protocol::set_credit credit_board::of(const address& who) const {
  if (revision_ == first_) return {};
  const auto found = said_.find(who);
  return found == said_.end() ? protocol::set_credit{} : found->second;
}

} // namespace troupe
