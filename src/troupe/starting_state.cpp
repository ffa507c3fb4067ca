#include "troupe/starting_state.hpp"

#include "ops/digest.hpp"

#include <fmt/format.h>

#include <utility>

namespace troupe {

std::map<std::string, std::string> describe_job(const job& j) {
  return {{"model", digest_text(digest_of(to_json(j.model).data(), to_json(j.model).size()))},
          {"slices", text(j.slices)},
          {"data", j.data.train->name},
          {"batch", std::to_string(j.batch)},
          {"microbatches", std::to_string(j.microbatches)},
          {"compression",
           j.compression ? fmt::format("{} of {}", j.compression->text(), j.compressed_microbatches)
                         : "none"},
          {"islands", std::to_string(j.outer.islands)},
          {"outer steps", j.outer.text()},
          {"seed", std::to_string(j.seed)},
          {"optimizer", text(j.optimizer)},
          {"learning rate", j.learning_rate.text()},
          {"steps", std::to_string(j.total_steps())},
          {"augment", j.augment.text()},
          {"shuffle", j.shuffle ? "yes" : "no"},
          {"balanced sampling", j.balanced_sampling ? "yes" : "no"}};
}

namespace {

void check_same_job(const std::string& path, const checkpoint& found, const job& j) {
  error_text text{.what = "the checkpoint belongs to another job", .where = path};
  for (const auto& [key, value] : describe_job(j)) {
    const auto was = found.job.find(key);
    if (was == found.job.end() || was->second == value) continue;
    text.why += fmt::format("{}{}: '{}' in the checkpoint, '{}' now",
                            text.why.empty() ? "" : "\n  ",
                            key,
                            was->second,
                            value);
  }
  if (text.why.empty()) return;
  text.help =
      "start with the same options; to begin another job from these weights, save them with --save "
      "and start with --load";
  throw error(std::move(text));
}

} // namespace

starting_state
starting_state_of(const job& j, const run_options& options, const parameter_layout& layout) {
  starting_state out;
  if (!options.resume.empty() && !options.load_weights.empty())
    throw error(
        {.what = "a job starts from a checkpoint or from weights, not from both",
         .where = fmt::format("--resume {} and --load {}", options.resume, options.load_weights),
         .help = "leave one of them out"});
  if (!options.resume.empty()) {
    const auto& path = out.path = is_checkpoint(options.resume)
                                      ? options.resume
                                      : newest_checkpoint(options.resume, out.skipped);
    out.content = read_checkpoint(path, layout);
    check_same_job(path, out.content, j);
    const auto& islands = out.content.islands;
    if (islands.size() != j.outer.islands)
      throw error({.what = fmt::format("the checkpoint has {} islands, the job {}",
                                       islands.size(),
                                       j.outer.islands),
                   .where = path});
    const auto& rule = islands.empty() ? j.optimizer : j.outer.rule;
    const auto fits = [](const auto& state, const optimizer& o) {
      return state.slots.size() == static_cast<std::size_t>(slots(o));
    };
    if (!fits(out.content, rule) || (!islands.empty() && !fits(islands.front(), j.optimizer)))
      throw error({.what = "the checkpoint has another optimizer's state", .where = path});
    return out;
  }
  out.content.parameters = options.load_weights.empty()
                               ? initial_parameters(layout, j.seed)
                               : load_weights(options.load_weights, layout);
  return out;
}

std::vector<std::string>
resume_what_was_saved(const wiring& w, const node_place& here, run_options& o) {
  std::vector<std::string> skipped;
  if (here.restarts == 0 || here.number != 0 || !o.resume.empty() || o.checkpoint_folder.empty())
    return skipped;
  std::string path;
  try {
    path = newest_checkpoint(o.checkpoint_folder, skipped);
  } catch (const error&) {
    return skipped; // it begins as before
  }
  if (w.order.as_they_come())
    throw error({.what = "an asynchronous job does not go back by itself",
                 .where = path,
                 .why = "node 0 died, and workers were told that updates are applied which this "
                        "checkpoint does not have",
                 .help = "where these may be lost: --resume",
                 .kind = error_kind::request});
  o.resume = path;
  o.load_weights.clear();
  return skipped;
}

} // namespace troupe
