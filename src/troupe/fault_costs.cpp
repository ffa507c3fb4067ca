#include "troupe/fault_costs.hpp"

#include "actors/message_facts.hpp"

#include <chrono>
#include <utility>

namespace troupe {

namespace {

std::uint64_t folded(std::uint64_t key, std::uint64_t number) {
  key = (key ^ number) * 0x9E3779B97F4A7C15U;
  return key ^ (key >> 29U);
}

std::uint64_t folded(std::uint64_t key, const address& who) {
  return folded(key, address_hash{}(who));
}

bool is_of_a_microbatch(work_kind kind) {
  return kind == work_kind::forward || kind == work_kind::backward ||
         kind == work_kind::backward_inputs || kind == work_kind::backward_weights;
}

} // namespace

bool fault_costs::recent::insert(std::uint64_t key) {
  if (before_.contains(key) || !now_.insert(key).second) return false;
  if (now_.size() >= half) before_ = std::exchange(now_, {});
  return true;
}

void fault_costs::heard(const heard_message& m) {
  if (other_) other_->heard(m);
  static const auto bare = message_bytes(protocol::stop_job{});
  const auto bytes = message_bytes(*m.content);
  if (m.copy || bytes <= bare || m.from == m.to) return;
  auto key = folded(folded(1, message_key(*m.content)), m.content->index());
  key = folded(folded(key, m.from), m.to);
  const std::lock_guard lock(mutex_);
  if (!heard_.insert(key)) total_.resent_bytes += static_cast<std::uint64_t>(bytes);
}

void fault_costs::computed(const computed_work& w) {
  if (other_) other_->computed(w);
  if (!is_of_a_microbatch(w.what.kind)) return;
  auto key = folded(folded(folded(1, w.step), static_cast<std::uint64_t>(w.what.kind)), w.who);
  key = folded(folded(key, static_cast<std::uint64_t>(w.what.part)),
               static_cast<std::uint64_t>(w.what.which));
  const std::lock_guard lock(mutex_);
  if (!computed_.insert(key))
    total_.recomputed_ms += std::chrono::duration<double, std::milli>(w.until - w.from).count();
}

fault_cost fault_costs::total() const {
  const std::lock_guard lock(mutex_);
  return total_;
}

} // namespace troupe
