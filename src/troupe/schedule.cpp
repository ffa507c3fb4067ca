#include "troupe/schedule.hpp"

#include "troupe/job.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe {

namespace {

constexpr int stages_max = 1024;
constexpr std::int64_t pairs_max = 1 << 20; // parts x microbatches

// A schedule of the given sizes whose lists are empty.
schedule empty_schedule(const char* name, int stages, int parts, std::uint32_t microbatches) {
  if (const auto mistakes = size_mistakes(stages, parts, microbatches); !mistakes.empty())
    throw joined(mistakes);
  return {name,
          stages,
          parts,
          microbatches,
          std::vector<std::vector<schedule_op>>(static_cast<std::size_t>(stages))};
}

} // namespace

std::vector<error_text> size_mistakes(int stages, int parts, std::uint32_t microbatches) {
  std::vector<error_text> out;
  if (stages < 1 || stages > stages_max)
    out.push_back({.what = fmt::format("a pipeline cannot have {} stages", stages),
                   .where = "schedule",
                   .help = fmt::format("use 1 to {}", stages_max)});
  else if (parts < stages)
    out.push_back(
        {.what = fmt::format("{} parts do not fill {} stages", parts, stages),
         .where = "schedule",
         .why = "part p runs on stage p % stages; the last stages would have none",
         .help = fmt::format("use {} parts, or {} for two per stage", stages, 2 * stages)});
  if (microbatches < 1)
    out.push_back({.what = "a schedule of 0 microbatches does nothing",
                   .where = "schedule",
                   .help = "use 1 or more"});
  if (parts > 0 && microbatches > pairs_max / parts)
    out.push_back(
        {.what = "the schedule is too long",
         .where = "schedule",
         .why = fmt::format(
             "{} parts x {} microbatches; at most {} together", parts, microbatches, pairs_max),
         .help = "use fewer microbatches"});
  return out;
}

schedule gpipe(int stages, std::uint32_t microbatches) {
  auto out = empty_schedule("gpipe", stages, stages, microbatches);
  for (int stage = 0; stage < stages; ++stage)
    for (const auto kind : {op_kind::forward, op_kind::backward})
      for (std::uint32_t m = 0; m < microbatches; ++m)
        out.per_stage[static_cast<std::size_t>(stage)].push_back({kind, stage, m});
  return out;
}

schedule one_f_one_b(int stages, std::uint32_t microbatches) {
  auto out = interleaved(stages, stages, microbatches);
  out.name = "1f1b";
  return out;
}

// The k-th forward of a stage goes through its parts in groups of `stages` microbatches; the k-th
// backward does the same from the last of its parts. After `warmup` forwards they alternate. The
// order is made for full groups and the microbatches that do not exist are left out: no operation
// depends on another microbatch, so what is left can still run.
schedule interleaved(int stages, int parts, std::uint32_t microbatches) {
  auto out = empty_schedule("interleaved", stages, parts, microbatches);
  if (parts % stages != 0)
    throw error({.what = fmt::format("{} parts do not interleave on {} stages", parts, stages),
                 .where = "schedule interleaved",
                 .why = fmt::format("{} = {} x {} + {}; every stage needs as many",
                                    parts,
                                    stages,
                                    parts / stages,
                                    parts % stages),
                 .help = fmt::format("use {} parts", (parts / stages + 1) * stages)});
  const int chunks = parts / stages;
  const int groups = (static_cast<int>(microbatches) + stages - 1) / stages;
  const int count = groups * parts; // of forwards on each stage, and of backwards
  for (int stage = 0; stage < stages; ++stage) {
    auto& list = out.per_stage[static_cast<std::size_t>(stage)];
    const auto append = [&](op_kind kind, int k) {
      const int chunk = k % parts / stages;
      const int part = (kind == op_kind::forward ? chunk : chunks - 1 - chunk) * stages + stage;
      const auto m = static_cast<std::uint32_t>(k / parts * stages + k % stages);
      if (m < microbatches) list.push_back({kind, part, m});
    };
    const int behind = stages - 1 - stage;
    const int warmup = std::min(count, chunks == 1 ? behind : 2 * behind + (chunks - 1) * stages);
    for (int k = 0; k < warmup; ++k)
      append(op_kind::forward, k);
    for (int k = 0; k < count; ++k) {
      if (k + warmup < count) append(op_kind::forward, k + warmup);
      append(op_kind::backward, k);
    }
  }
  return out;
}

schedule zero_bubble(int stages, std::uint32_t microbatches) {
  auto out = one_f_one_b(stages, microbatches);
  out.name = "zero-bubble";
  for (int stage = 0; stage < stages; ++stage) {
    const auto late = static_cast<std::uint32_t>(stage);
    std::vector<schedule_op> list;
    for (const auto& op : out.per_stage[static_cast<std::size_t>(stage)]) {
      if (op.kind == op_kind::forward) {
        list.push_back(op);
        continue;
      }
      list.push_back({op_kind::backward_input, stage, op.microbatch});
      if (op.microbatch >= late)
        list.push_back({op_kind::backward_weights, stage, op.microbatch - late});
    }
    for (auto m = microbatches - std::min(late, microbatches); m < microbatches; ++m)
      list.push_back({op_kind::backward_weights, stage, m});
    out.per_stage[static_cast<std::size_t>(stage)] = std::move(list);
  }
  return out;
}

const std::vector<std::string>& schedule_names() {
  static const std::vector<std::string> names = {"gpipe", "1f1b", "interleaved", "zero-bubble"};
  return names;
}

schedule
named_schedule(const std::string& name, int stages, int parts, std::uint32_t microbatches) {
  const auto& names = schedule_names();
  if (std::find(names.begin(), names.end(), name) == names.end()) {
    const auto near = did_you_mean(name, names.data(), names.data() + names.size());
    throw error({.what = fmt::format("there is no schedule '{}'", name),
                 .why = fmt::format("schedules: {}", fmt::join(names, ", ")),
                 .help = near.empty() ? "name one of them, or write your own to a file"
                                      : fmt::format("did you mean '{}'?", near)});
  }
  if (name == "interleaved") return interleaved(stages, parts, microbatches);
  if (parts != stages)
    throw error({.what = fmt::format("schedule {} has one part per stage", name),
                 .where = fmt::format("schedule {}", name),
                 .why = fmt::format("{} parts for {} stages", parts, stages),
                 .help = "use schedule interleaved, or as many parts as stages"});
  if (name == "gpipe") return gpipe(stages, microbatches);
  return name == "1f1b" ? one_f_one_b(stages, microbatches) : zero_bubble(stages, microbatches);
}

} // namespace troupe
