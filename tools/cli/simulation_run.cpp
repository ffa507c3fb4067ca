#include "cli/simulation_run.hpp"

#include "cli/mistakes.hpp"
#include "cli/run_folder.hpp"

#include <fmt/format.h>

#include <utility>

namespace troupe::cli {

namespace {

// The settings of a training that make no sense here keep their defaults.
setting_values with_defaults(setting_values values) {
  for (auto& [name, value] : resolve(train_settings(), {}, {}, {}))
    values.try_emplace(name, value);
  return values;
}

run_options run_options_of(const simulation_plan& plan) {
  run_options out{.load_weights = plan.training.load,
                  .evaluate = plan.evaluate,
                  .kills = plan.training.kills,
                  .slow = plan.training.slow,
                  .faults = plan.training.faults,
                  .dials = plan.training.dials};
  out.faults.insert(out.faults.end(), plan.options.faults.begin(), plan.options.faults.end());
  return out;
}

bool is_disturbed(const simulation_plan& plan) {
  const auto& cluster = plan.options.cluster;
  return cluster.failures || !cluster.model.faults.empty() || !plan.training.kills.empty() ||
         !plan.training.faults.empty() || !plan.options.faults.empty();
}

simulation_report calm_report(const simulation_plan& plan) {
  auto options = run_options_of(plan);
  options.kills.clear();
  options.faults.clear();
  return *undisturbed(plan.options.cluster).start(plan.wired, std::move(options)).wait().simulation;
}

dataset_ptr without_pixels(const dataset_ptr& of) {
  if (!of) return {};
  return std::make_shared<const dataset>(dataset{of->name, of->image, of->classes, {}, of->labels});
}

// Where there is no mathematics nobody looks at an image, unless a mean of all is asked for.
bool looks_at_images(const simulation_plan& plan) {
  return !plan.options.cluster.timing_only || plan.options.measured ||
         plan.training.augment.normalise;
}

} // namespace

data_split data_shelf::get(const train_options& o, const std::string& where, bool pixels) {
  const std::lock_guard lock(mutex_);
  const auto key = fmt::format("{} {} {} {}", o.validation, o.seed, pixels, o.data);
  const auto found = loaded_.find(key);
  if (found != loaded_.end()) return found->second;
  auto data = load_data_of(o.data, o.validation, o.seed, where);
  if (!pixels)
    data = {without_pixels(data.train), without_pixels(data.test), without_pixels(data.validation)};
  return loaded_.emplace(key, std::move(data)).first->second;
}

simulation_plan simulation_plan_of(const setting_values& said, data_shelf& data) {
  const setting_values values = with_defaults(said);
  simulation_plan out{.training = train_options_of(values),
                      .options = simulation_options_of(values),
                      .wired = {},
                      .evaluate = value_reader(values).flag("evaluate")};
  check_writable(out.training.save, "--save");
  check_writable(out.options.trace, "--trace");
  check_readable(out.training.load, "--load");
  out.wired = wiring_of(out.training,
                        data.get(out.training, values.at("data").where, looks_at_images(out)));
  auto& cluster = out.options.cluster;
  if (auto wrong = mistakes_of(cluster, out.wired); !wrong.empty())
    throw mistakes(std::move(wrong));
  if (out.options.measured) cluster.costs.pieces = measured_costs(out.wired.job);
  return out;
}

simulation_figures play(const simulation_plan& plan,
                        std::function<void(const run_event&)> observer,
                        std::shared_ptr<world_observer> watch) {
  auto options = run_options_of(plan);
  options.observer = std::move(observer);
  options.watch = std::move(watch);
  const auto& cluster = plan.options.cluster;
  simulation_figures out{.result = cluster.start(plan.wired, std::move(options)).wait(),
                         .computed = !cluster.timing_only};
  out.summary = summary_of(*out.result.simulation);
  if (is_disturbed(plan)) out.kept = goodput_of(*out.result.simulation, calm_report(plan));
  return out;
}

} // namespace troupe::cli
