#include "troupe/schedule_times.hpp"

#include "troupe/job.hpp"
#include "troupe/schedule_walk.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace troupe {

namespace {

void check_times(const schedule& s, const schedule_times& times) {
  const auto refuse = [&](const std::string& what) {
    throw error({.what = what,
                 .where = fmt::format("times of schedule {}", s.name),
                 .help = "give each part three times of 0 seconds or more"});
  };
  for (const auto* list : {&times.forward, &times.backward_input, &times.backward_weights}) {
    if (list->size() != static_cast<std::size_t>(s.parts))
      refuse(fmt::format("{} times for {} parts", list->size(), s.parts));
    for (const double seconds : *list)
      if (!(seconds >= 0) || !std::isfinite(seconds))
        refuse(fmt::format("{} s is no time to compute", seconds));
  }
  if (!(times.transfer >= 0) || !std::isfinite(times.transfer))
    refuse(fmt::format("{} s is no time to transfer", times.transfer));
}

double seconds_of(const schedule_op& op, const schedule_times& times) {
  const auto part = static_cast<std::size_t>(op.part);
  switch (op.kind) {
  case op_kind::forward:
    return times.forward[part];
  case op_kind::backward_input:
    return times.backward_input[part];
  case op_kind::backward_weights:
    return times.backward_weights[part];
  case op_kind::backward:
    break;
  }
  return times.backward_input[part] + times.backward_weights[part];
}

} // namespace

schedule_times uniform_times(int parts, double each) {
  const std::vector<double> all(static_cast<std::size_t>(parts), each);
  return {.forward = all, .backward_input = all, .backward_weights = all};
}

timeline simulate(const schedule& s, const schedule_times& times) {
  if (const auto mistakes = mistakes_of(s); !mistakes.empty()) throw joined(mistakes);
  check_times(s, times);
  timeline out;
  out.per_stage.resize(s.per_stage.size());
  const auto place = [&](const schedule_op& op) {
    return static_cast<std::size_t>(op.part) * s.microbatches + op.microbatch;
  };
  // When the result of a forward and the gradient of the inputs exist, by part and microbatch.
  std::vector<double> forward(static_cast<std::size_t>(s.parts) * s.microbatches);
  std::vector<double> gradient(forward.size());
  double busy = 0;
  detail::walk(s, detail::unlimited_credit, [&](std::size_t stage, std::size_t i) {
    const auto& op = s.per_stage[stage][i];
    auto& line = out.per_stage[stage];
    double start = line.empty() ? 0 : line.back().end;
    if (const auto need = detail::needed_by(s, op)) {
      const double made = (need->kind == op_kind::forward ? forward : gradient)[place(*need)];
      start = std::max(start, made + (s.stages > 1 ? times.transfer : 0));
    }
    const double seconds = seconds_of(op, times), end = start + seconds;
    if (op.kind == op_kind::forward)
      forward[place(op)] = end;
    else if (op.kind != op_kind::backward_weights)
      gradient[place(op)] = end;
    line.push_back({op, start, end});
    busy += seconds;
    out.makespan = std::max(out.makespan, end);
  });
  if (out.makespan > 0) out.bubble_fraction = std::max(0.0, 1 - busy / (s.stages * out.makespan));
  return out;
}

double bubble_fraction(const schedule& s, const schedule_times& times) {
  return simulate(s, times).bubble_fraction;
}

} // namespace troupe
