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

depth_facts::depth_facts(std::vector<schedule_op> of)
    : schedule(std::move(of)), kept(depth_credit::kept_by(schedule)) {
  std::map<std::pair<int, std::uint32_t>, std::size_t> before; // by part and microbatch
  for (std::size_t i = 0; i < schedule.size(); ++i) {
    auto& last = before.try_emplace({schedule[i].part, schedule[i].microbatch}, i).first->second;
    after.push_back(std::exchange(last, i));
  }
}

std::uint64_t depth_credit::bound(int part, std::uint64_t value) const {
  const auto kept = facts_->kept.at(part);
  return value == 0 ? kept : std::min(value, kept);
}

std::vector<std::size_t> depth_credit::run_of(std::size_t operation) const {
  const auto& [schedule, after, kept] = *facts_;
  const auto weights =
      std::find(after.begin() + static_cast<std::ptrdiff_t>(operation) + 1, after.end(), operation);
  if (schedule[operation].kind != op_kind::backward_input || weights == after.end())
    return {operation};
  return {operation, static_cast<std::size_t>(weights - after.begin())};
}

std::vector<std::size_t> depth_credit::candidates(const std::vector<bool>& computed) const {
  const auto& [schedule, after, kept] = *facts_;
  std::vector<std::size_t> first, rest;
  std::map<int, std::uint64_t> in_flight;
  for (std::size_t i = 0; i < schedule.size(); ++i) {
    if (!computed[i]) continue;
    if (schedule[i].kind == op_kind::forward) ++in_flight[schedule[i].part];
    if (ends(schedule[i].kind)) --in_flight[schedule[i].part];
  }
  std::set<int> met; // parts whose next forward has been met
  for (std::size_t i = 0; i < schedule.size(); ++i) {
    const auto& op = schedule[i];
    if (computed[i]) continue;
    if (op.kind == op_kind::forward) {
      if (met.insert(op.part).second && in_flight[op.part] < bound(op.part, value_))
        rest.push_back(i);
    } else if (computed[after[i]]) {
      (op.kind == op_kind::backward_weights ? first : rest).push_back(i);
    }
  }
  first.insert(first.end(), rest.begin(), rest.end());
  return first;
}

} // namespace troupe
