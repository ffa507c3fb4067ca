#include "cli/commands.hpp"
#include "cli/help.hpp"
#include "cli/mistakes.hpp"
#include "cli/progress.hpp"
#include "cli/run_folder.hpp"
#include "cli/train_options.hpp"
#include "ops/files/count_text.hpp"
#include "ops/program.hpp"
#include "troupe/price.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <optional>
#include <utility>

namespace troupe::cli {

namespace {

// Backward computes two products, of the size of forward's one, for each layer.
constexpr double training_factor = 3;

// Every mistake that can be found without running: options, paths, data, job, wiring.
class mistake_list {
public:
  template <class Check>
  bool passes(Check check) {
    try {
      check();
      return true;
    } catch (const mistakes& wrong) {
      all_.insert(all_.end(), wrong.all().begin(), wrong.all().end());
    } catch (const error& e) {
      all_.push_back(e.text());
    }
    return false;
  }

  void throw_any() const {
    if (!all_.empty()) throw mistakes(all_, exit_usage);
  }

private:
  std::vector<error_text> all_;
};

// Blank images in place of those that could not be read, so that the rest can be checked.
data_split stand_in() {
  auto blank = std::make_shared<dataset>();
  blank->name = "blank";
  blank->image = shape{1, 28, 28};
  blank->classes = 10;
  blank->labels.resize(60'000);
  blank->pixels.resize(blank->labels.size() * 28 * 28);
  return {.train = blank, .test = blank, .validation = nullptr};
}

std::string cost_text(const job& j, const graph& g, const wiring& w) {
  const std::int64_t microbatch = j.batch / j.microbatches;
  const auto program = compile_cpu(g, {.microbatch = microbatch, .training = true});
  const auto bytes = static_cast<std::uint64_t>(program->layout().bytes());
  const double forward = static_cast<double>(g.flops());
  const double step = forward * training_factor * static_cast<double>(j.batch);
  const auto microbatches = static_cast<std::uint64_t>(j.microbatches);
  const auto replicas = static_cast<std::uint64_t>(w.replicas);
  std::string out = "cost\n";
  const auto row = [&](const char* name, const std::string& value) {
    out += fmt::format("  {:<30}{}\n", name, value);
  };
  row("forward", fmt::format("{:.2f} MFLOP an image", forward / 1e6));
  row("training", fmt::format("{:.2f} MFLOP an image", forward * training_factor / 1e6));
  row("one step", fmt::format("{:.2f} GFLOP", step / 1e9));
  row("steps",
      fmt::format(
          "{} ({} an epoch)", count_text(j.total_steps()), count_text(j.steps_per_epoch())));
  row("parameters", fmt::format("{}, {}", count_text(g.trainable_elements()), bytes_text(bytes)));
  row("gradients between roles", bytes_text(bytes * microbatches) + " a step");
  row("parameters between roles", bytes_text(bytes * replicas) + " a step, shared without a copy");
  if (w.parts.size() > 1) return out + "\n" + text(price_of(w));
  row("activations of a microbatch",
      fmt::format("{}, for each of {} replicas", bytes_text(program->memory_bytes()), w.replicas));
  return out;
}

} // namespace

int plan(const command_line& line) {
  mistake_list wrong;
  train_options o;
  const auto& said = line.values;
  const auto text = [&](const char* name) { return said.at(name).values.back(); };
  const bool read = wrong.passes([&] { o = train_options_of(said); });
  for (const char* name : {"save", "metrics"})
    wrong.passes([&] { check_writable(text(name), std::string("--") + name); });
  for (const char* name : {"load", "resume"})
    wrong.passes([&] { check_readable(text(name), std::string("--") + name); });
  data_split data;
  const bool loaded = wrong.passes(
      [&] { data = load_data_of(text("data"), o.validation, o.seed, said.at("data").where); });
  if (!loaded) data = stand_in();
  std::optional<wiring> w;
  if (read) wrong.passes([&] { w = wiring_of(o, data); });
  wrong.throw_any();

  const graph g = graph_of(w->job);
  fmt::print("{}\n{}\n{}\n{}", header_text(), summary(g), w->text(), cost_text(w->job, g, *w));
  return exit_done;
}

} // namespace troupe::cli
