#include "net/wire_faults.hpp"

namespace troupe::net {

namespace {

void set(std::set<std::uint32_t>& all, std::uint32_t node, bool cut) {
  if (cut)
    all.insert(node);
  else
    all.erase(node);
}

bool take_one(std::map<std::uint32_t, int>& from, std::uint32_t node) {
  const auto found = from.find(node);
  if (found == from.end() || found->second == 0) return false;
  --found->second;
  return true;
}

} // namespace

void wire_faults::cut_to(std::uint32_t node, bool cut) {
  const std::lock_guard lock(mutex_);
  set(cut_to_, node, cut);
  in_use_ = true;
}

void wire_faults::cut_from(std::uint32_t node, bool cut) {
  const std::lock_guard lock(mutex_);
  set(cut_from_, node, cut);
  in_use_ = true;
}

void wire_faults::drop(std::uint32_t node, int parcels) {
  const std::lock_guard lock(mutex_);
  to_drop_[node] += parcels;
  in_use_ = true;
}

void wire_faults::damage(std::uint32_t node, int parcels) {
  const std::lock_guard lock(mutex_);
  to_damage_[node] += parcels;
  in_use_ = true;
}

wire_faults::fate wire_faults::decide(const frame& f) {
  const std::lock_guard lock(mutex_);
  if (cut_to_.contains(f.to.node)) return fate::is_lost;
  if (f.kind != frame_kind::parcel) return fate::arrives;
  if (take_one(to_drop_, f.to.node)) return fate::is_lost;
  return take_one(to_damage_, f.to.node) ? fate::is_damaged : fate::arrives;
}

bool wire_faults::is_cut_from(std::uint32_t node) const {
  const std::lock_guard lock(mutex_);
  return cut_from_.contains(node);
}

} // namespace troupe::net
