#include "cli/commands.hpp"
#include "cli/mistakes.hpp"
#include "cli/run_folder.hpp"
#include "cli/train_options.hpp"
#include "cli/values.hpp"
#include "ops/files/atomic_file.hpp"
#include "ops/files/count_text.hpp"
#include "troupe/calibration.hpp"
#include "troupe/default_supervision.hpp"
#include "troupe/model_parts.hpp"
#include "troupe/predicted_step.hpp"
#include "troupe/price.hpp"
#include "troupe/wiring_drawing.hpp"
#include "troupe/wiring_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <thread>

namespace troupe::cli {

namespace {

struct outputs {
  std::vector<std::string> pictures, trees;
  std::string file;
  bool chart = false, supervision = false;
};

void check_pictures(value_reader& read, const std::string& setting) {
  for (const std::string& path : read.value(setting).values) {
    const std::string kind = std::filesystem::path(path).extension();
    if (kind != ".svg" && kind != ".dot" && kind != ".mmd")
      read.add(
          {.what = fmt::format("'{}' is no kind of picture", kind),
           .where = fmt::format("--{} {}", setting, path),
           .why = ".svg, .dot and .mmd are known",
           .help = fmt::format("--{} {}",
                               setting,
                               std::filesystem::path(path).replace_extension(".svg").string())});
  }
}

outputs outputs_of(const setting_values& values) {
  value_reader read(values);
  outputs out{read.value("draw").values,
              read.value("draw-supervision").values,
              read.text("save-wiring"),
              read.flag("schedule-chart"),
              read.flag("supervision")};
  check_pictures(read, "draw");
  check_pictures(read, "draw-supervision");
  if (!read.wrong().empty()) throw mistakes(read.wrong());
  for (const std::string& path : out.pictures)
    check_writable(path, "--draw");
  for (const std::string& path : out.trees)
    check_writable(path, "--draw-supervision");
  check_writable(out.file, "--save-wiring");
  return out;
}

template <class Svg>
std::string svg_for(const std::string& option, Svg draw) {
  try {
    return draw();
  } catch (const error& e) {
    error_text text = e.text();
    text.where = option;
    throw mistakes(std::move(text), exit_environment);
  }
}

std::string picture(const std::string& path, const wiring& w, const wiring_price& price) {
  const auto kind = std::filesystem::path(path).extension();
  if (kind == ".dot") return dot(w, &price);
  if (kind == ".mmd") return mermaid(w, &price);
  return svg_for("--draw " + path, [&] { return svg(w, &price); });
}

std::string picture(const std::string& path, const supervision_tree& t) {
  const auto kind = std::filesystem::path(path).extension();
  if (kind == ".dot") return dot(t);
  if (kind == ".mmd") return mermaid(t);
  return svg_for("--draw-supervision " + path, [&] { return svg(t); });
}

void draw(const std::string& path, const std::string& picture) {
  write_file_atomically(path, picture);
  fmt::print(stderr, "drawn: {}\n", path);
}

// Where the model can be cut, what each piece costs, and who has it.
std::string pieces_text(const wiring& w, const std::vector<piece_cost>& costs) {
  std::string out = "pieces of the model, times of a microbatch on one core\n";
  const auto pieces = pieces_of(w.job);
  auto part = w.part_of_piece();
  part.resize(pieces.size(), 0);
  out += fmt::format("  {:>5}  {:<34}{:>12}{:>12}{:>12}{:>12}  {}\n",
                     "piece",
                     "from layer",
                     "MFLOP/image",
                     "parameters",
                     "forward",
                     "backward",
                     "part");
  for (std::size_t i = 0; i < pieces.size(); ++i)
    out += fmt::format("  {:>5}  {:<34}{:>12.2f}{:>12}{:>9.3f} ms{:>9.3f} ms  {:>4}\n",
                       i,
                       pieces[i].name,
                       static_cast<double>(pieces[i].flops) / 1e6,
                       count_text(pieces[i].elements),
                       costs[i].forward * 1e3,
                       (costs[i].backward_inputs + costs[i].backward_weights) * 1e3,
                       part[i]);
  return out;
}

// Replicas that compute in the same order are shown once.
std::string charts(const wiring& w, const wiring_price& price) {
  std::string out;
  if (w.spreads_slices()) return "\nno chart: slices are computed side by side\n";
  std::vector<std::vector<std::vector<schedule_op>>> shown;
  for (const auto& loader : w.of(role_kind::data_loader)) {
    const auto s = schedule_of(w, loader.replica);
    if (s.per_stage.empty() || std::find(shown.begin(), shown.end(), s.per_stage) != shown.end())
      continue;
    shown.push_back(s.per_stage);
    out += "\n" + drawing(s, price.times);
  }
  return out;
}

// Sums, updates, messages and what cores lose to each other are in it, beside the layer shards.
double simulated_step_seconds(const wiring& w, const std::vector<piece_cost>& costs, int cores) {
  simulated_cluster here{.nodes = 1};
  set_machine(here, troupe::calibrate({.models = {}, .seconds = 0.05}));
  here.model.node.cores = cores;
  here.costs.pieces = costs;
  return predicted_step_seconds(w, std::move(here));
}

} // namespace

int show_wiring(const command_line& line) {
  const train_options o = train_options_of(line.values);
  const outputs wanted = outputs_of(line.values);
  const auto& data_where = line.values.at("data").where;
  const wiring w = wiring_of(o, load_data_of(o.data, o.validation, o.seed, data_where));

  const auto costs = measured_costs(w.job);
  const int cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  const auto price = price_of(w, {.costs = costs, .threads = o.threads > 0 ? o.threads : cores});
  fmt::print("{}\n{}\n{}  {:.2f} ms with everything else, simulated on {} core{} of this machine\n",
             w.text(),
             pieces_text(w, costs),
             text(price),
             simulated_step_seconds(w, costs, cores) * 1e3,
             cores,
             cores == 1 ? "" : "s");
  if (wanted.chart) fmt::print("{}", charts(w, price));
  const auto tree = default_supervision(w);
  if (wanted.supervision) fmt::print("\nsupervision\n{}", tree.text());
  std::fflush(stdout);
  for (const std::string& path : wanted.pictures)
    draw(path, picture(path, w, price));
  for (const std::string& path : wanted.trees)
    draw(path, picture(path, tree));
  if (!wanted.file.empty()) {
    save_wiring(w, wanted.file);
    fmt::print(stderr,
               "saved: {}; play it with: troupe train --batch {} --microbatches {}{} --wiring {}\n",
               wanted.file,
               w.job.batch,
               w.job.microbatches,
               w.job.outer.islands > 0 ? fmt::format(" --islands {}", w.job.outer.islands) : "",
               wanted.file);
  }
  return exit_done;
}

} // namespace troupe::cli
