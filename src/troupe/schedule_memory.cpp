#include "troupe/schedule.hpp"
#include "troupe/schedule_times.hpp"

#include <algorithm>

namespace troupe {

namespace {

// Activations kept now, and the most so far.
struct level {
  int now = 0;
  int most = 0;

  void pass(op_kind kind) {
    if (kind == op_kind::forward)
      most = std::max(most, ++now);
    else if (kind != op_kind::backward_input)
      --now;
  }
};

std::vector<int> peaks(const std::vector<level>& levels) {
  std::vector<int> out;
  for (const auto& l : levels)
    out.push_back(l.most);
  return out;
}

} // namespace

std::vector<int> peak_activations(const schedule& s) {
  std::vector<level> levels(s.per_stage.size());
  for (std::size_t stage = 0; stage < levels.size(); ++stage)
    for (const auto& op : s.per_stage[stage])
      levels[stage].pass(op.kind);
  return peaks(levels);
}

std::vector<int> peak_activations_of_parts(const schedule& s) {
  std::vector<level> levels(static_cast<std::size_t>(s.parts));
  for (const auto& list : s.per_stage)
    for (const auto& op : list)
      levels[static_cast<std::size_t>(op.part)].pass(op.kind);
  return peaks(levels);
}

std::vector<int> credits_of(const schedule& s) {
  const auto run = simulate(s, uniform_times(s.parts));
  std::vector<std::vector<timed_op>> forwards(static_cast<std::size_t>(s.parts)); // in time
  for (const auto& line : run.per_stage)
    for (const auto& op : line)
      if (op.op.kind == op_kind::forward)
        forwards[static_cast<std::size_t>(op.op.part)].push_back(op);
  std::vector<int> out;
  for (std::size_t part = 0; part + 1 < forwards.size(); ++part) {
    const auto& taken = forwards[part + 1];
    std::size_t given = 0, gone = 0, most = 0;
    for (const auto& op : forwards[part]) {
      ++given;
      while (gone < taken.size() && taken[gone].start < op.end)
        ++gone;
      most = std::max(most, given - gone);
    }
    out.push_back(static_cast<int>(most));
  }
  return out;
}

} // namespace troupe
