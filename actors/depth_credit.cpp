#include "actors/depth_credit.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace troupe {

namespace {

bool ends(op_kind kind) {
  return kind == op_kind::backward || kind == op_kind::backward_weights;
}

} // namespace

std::map<int, std::uint64_t> depth_credit::kept_by(const std::vector<schedule_op>& schedule) {
  std::map<int, std::uint64_t> now, most;
  for (const auto& op : schedule) {
    if (op.kind == op_kind::forward) ++now[op.part];
    most[op.part] = std::max(most[op.part], now[op.part]);
    if (ends(op.kind)) --now[op.part];
  }
  return most;
}

depth_credit::depth_credit(const std::vector<schedule_op>& schedule)
    : schedule_(schedule), kept_(kept_by(schedule)) {
  std::map<std::pair<int, std::uint32_t>, std::size_t> before; // by part and microbatch
  for (std::size_t i = 0; i < schedule_.size(); ++i) {
    auto& last = before.try_emplace({schedule_[i].part, schedule_[i].microbatch}, i).first->second;
    after_.push_back(std::exchange(last, i));
  }
}

std::uint64_t depth_credit::bound(int part, std::uint64_t value) const {
  const auto kept = kept_.at(part);
  return value == 0 ? kept : std::min(value, kept);
}

std::vector<std::size_t> depth_credit::run_of(std::size_t operation) const {
  const auto weights = std::find(
      after_.begin() + static_cast<std::ptrdiff_t>(operation) + 1, after_.end(), operation);
  if (schedule_[operation].kind != op_kind::backward_input || weights == after_.end())
    return {operation};
  return {operation, static_cast<std::size_t>(weights - after_.begin())};
}

std::vector<std::size_t> depth_credit::candidates(const std::vector<bool>& computed) const {
  std::vector<std::size_t> first, rest;
  std::map<int, std::uint64_t> in_flight;
  for (std::size_t i = 0; i < schedule_.size(); ++i) {
    if (!computed[i]) continue;
    if (schedule_[i].kind == op_kind::forward) ++in_flight[schedule_[i].part];
    if (ends(schedule_[i].kind)) --in_flight[schedule_[i].part];
  }
  std::set<int> met; // parts whose next forward has been met
  for (std::size_t i = 0; i < schedule_.size(); ++i) {
    const auto& op = schedule_[i];
    if (computed[i]) continue;
    if (op.kind == op_kind::forward) {
      if (met.insert(op.part).second && in_flight[op.part] < bound(op.part, value_))
        rest.push_back(i);
    } else if (computed[after_[i]]) {
      (op.kind == op_kind::backward_weights ? first : rest).push_back(i);
    }
  }
  first.insert(first.end(), rest.begin(), rest.end());
  return first;
}

} // namespace troupe
