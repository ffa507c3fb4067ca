#include "cli/mistakes.hpp"
#include "cli/slow.hpp"
#include "cli/train_options.hpp"
#include "troupe/cluster_environment.hpp"
#include "troupe/dials.hpp"
#include "troupe/price.hpp"
#include "troupe/wiring_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace troupe::cli {

namespace {

exit_code code_of(error_kind kind) {
  switch (kind) {
  case error_kind::request:
    return exit_usage;
  case error_kind::environment:
    return exit_environment;
  default:
    return exit_failed;
  }
}

} // namespace

data_split load_data_of(const std::string& spec,
                        double validation,
                        std::uint64_t seed,
                        const std::string& where) {
  try {
    return split_validation(load_data(spec, seed), validation, seed);
  } catch (const error& e) {
    error_text text = e.text();
    if (text.where.empty()) text.where = where.empty() ? "--data " + spec : where;
    const exit_code code = code_of(text.kind);
    throw mistakes(std::move(text), code);
  }
}

std::vector<float> balanced_weights(const dataset& data) {
  const auto classes = static_cast<std::size_t>(data.classes);
  std::vector<std::int64_t> count(classes, 0);
  for (const std::uint8_t label : data.labels)
    ++count[label];
  std::vector<float> out(classes, 0.0F);
  for (std::size_t c = 0; c < classes; ++c)
    if (count[c] > 0)
      out[c] = static_cast<float>(static_cast<double>(data.size()) /
                                  (static_cast<double>(classes) * static_cast<double>(count[c])));
  return out;
}

job job_of(const train_options& o, data_split data) {
  softmax_cross_entropy loss{.class_weights = o.class_weights,
                             .label_smoothing = o.label_smoothing};
  if (o.balanced_weights) loss.class_weights = balanced_weights(*data.train);
  job out;
  out.model = model_by_name(o.model, data.train->classes);
  out.slices = o.slices;
  out.data = std::move(data);
  out.loss = std::move(loss);
  out.optimizer = o.optimizer;
  out.compression = o.compression;
  out.compressed_microbatches = o.compressed_microbatches;
  out.outer = o.outer;
  out.learning_rate = o.learning_rate;
  out.augment = o.augment;
  out.batch = o.batch;
  out.microbatches = o.microbatches;
  out.epochs = o.epochs;
  out.steps = o.steps;
  out.shuffle = o.shuffle;
  out.balanced_sampling = o.balanced_sampling;
  out.seed = o.seed;
  return out;
}

namespace {

wiring loaded(const std::string& path, job j) {
  if (auto wrong = mistakes_of(j); !wrong.empty()) throw mistakes(std::move(wrong));
  wiring out;
  try {
    out = load_wiring(path, std::move(j));
  } catch (const error& e) {
    throw mistakes(e.text());
  }
  auto wrong = mistakes_of(out);
  for (error_text& text : wrong)
    text.where = fmt::format("{}: {}", path, text.where);
  if (!wrong.empty()) throw mistakes(std::move(wrong));
  return out;
}

wiring made(const wiring_options& o, job j) {
  if (auto wrong = mistakes_of(j, o.grid); !wrong.empty()) throw mistakes(std::move(wrong));
  hybrid_options grid = o.grid;
  if (o.measured_cut)
    for (const piece_cost& cost : measured_costs(j))
      grid.piece_costs.push_back(cost.all() + (grid.recompute ? cost.forward : 0));
  return hybrid(std::move(j), grid);
}

void check_played(const wiring& w,
                  const address& who,
                  const std::string& to_do,
                  const std::string& where,
                  std::vector<error_text>& wrong) {
  if (w.find(who) != nullptr) return;
  std::vector<std::string> names;
  for (const wired_role& role : w.roles)
    names.push_back(role.where.text());
  wrong.push_back({.what = fmt::format("there is no {} to {}", who.text(), to_do),
                   .where = where,
                   .why = fmt::format("the wiring is {}", w.name),
                   .help = suggestion(who.text(), names, "troupe plan lists the actors")});
}

} // namespace

wiring wiring_of(const train_options& o, data_split data) {
  job j = job_of(o, std::move(data));
  wiring out =
      o.wired.file.empty() ? made(o.wired, std::move(j)) : loaded(o.wired.file, std::move(j));
  if (!o.wired.devices.empty())
    out = on_devices(
        std::move(out), o.wired.devices, static_cast<int>(place_in(variables_of_process()).count));
  std::vector<error_text> wrong;
  for (const planned_kill& kill : o.kills)
    check_played(out, kill.who, "kill", "--kill " + text(kill), wrong);
  for (const slow_actor& slow : o.slow)
    check_played(out, slow.who, "slow down", "--slow " + slow_text(slow), wrong);
  for (const dial& d : o.dials)
    for (error_text& mistake : mistakes_of(out, d))
      wrong.push_back(std::move(mistake));
  if (!wrong.empty()) throw mistakes(std::move(wrong));
  return out;
}

} // namespace troupe::cli
