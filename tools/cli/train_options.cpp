#include "cli/train_options.hpp"

#include "cli/dial.hpp"
#include "cli/mistakes.hpp"
#include "cli/scenario.hpp"
#include "cli/slow.hpp"
#include "cli/values.hpp"
#include "ops/files/atomic_file.hpp"
#include "troupe/units.hpp"

#include <fmt/format.h>

#include <cfloat>
#include <climits>
#include <cstdint>

namespace troupe::cli {

namespace {

constexpr int crop_padding_standard = 2;

optimizer optimizer_of(value_reader& read) {
  const std::string name = read.choice("optimizer", {"sgd", "adam", "adamw"});
  const auto part = [&](const char* setting) {
    return static_cast<float>(read.real(setting, 0, 1));
  };
  const float momentum = part("momentum"), decay = part("weight-decay");
  const float beta1 = part("beta1"), beta2 = part("beta2");
  const bool nesterov = read.flag("nesterov");
  if (name == "adam") return adam{.beta1 = beta1, .beta2 = beta2, .weight_decay = decay};
  if (name == "adamw") return adamw{.beta1 = beta1, .beta2 = beta2, .weight_decay = decay};
  return sgd{.momentum = momentum, .nesterov = nesterov && momentum > 0, .weight_decay = decay};
}

learning_rate learning_rate_of(value_reader& read) {
  learning_rate out;
  out.base = static_cast<float>(read.real("learning-rate", 0, FLT_MAX));
  const std::string kind = read.choice("schedule", {"constant", "step", "cosine"});
  if (kind == "step") out.kind = learning_rate::shape_kind::step;
  if (kind == "cosine") out.kind = learning_rate::shape_kind::cosine;
  out.milestones = read.whole_list("milestones", 0);
  for (std::size_t i = 1; i < out.milestones.size(); ++i)
    if (out.milestones[i] <= out.milestones[i - 1])
      read.add({.what = "milestones do not ascend",
                .where = read.where("milestones"),
                .why = fmt::format("{} comes after {}", out.milestones[i], out.milestones[i - 1])});
  if (kind == "step" && out.milestones.empty())
    read.add({.what = "schedule step has no milestones",
              .where = read.where("schedule"),
              .why = "",
              .help = "--milestones 1000,2000"});
  out.gamma = static_cast<float>(read.real("gamma", 0, FLT_MAX));
  out.warmup_steps = read.whole("warmup", 0, INT64_MAX);
  return out;
}

outer_steps outer_steps_of(value_reader& read) {
  const auto momentum = static_cast<float>(read.real("outer-momentum", 0, 1));
  return {.islands = static_cast<std::uint32_t>(read.whole("islands", 0, 4096)),
          .every = static_cast<std::uint32_t>(read.whole("outer-every", 1, INT_MAX)),
          .rule = sgd{.momentum = momentum, .nesterov = momentum > 0},
          .rate = static_cast<float>(read.real("outer-rate", 0, FLT_MAX))};
}

void read_loss(value_reader& read, train_options& out) {
  out.label_smoothing = static_cast<float>(read.real("label-smoothing", 0, 0.9999));
  const auto parts = read.list("class-weights");
  if (parts.size() == 1 && parts.front() == "balanced") {
    out.balanced_weights = true;
    return;
  }
  for (const std::string& part : parts) {
    double weight = 0;
    if (parse_real(part, weight) && weight >= 0)
      out.class_weights.push_back(static_cast<float>(weight));
    else
      read.add({.what = fmt::format("'{}' is not a class weight", part),
                .where = read.where("class-weights"),
                .why = "weights are numbers of at least 0, one a class",
                .help = "--class-weights balanced"});
  }
}

void read_move_after(value_reader& read, train_options& out) {
  const auto text = read.text("move-after");
  if (text.empty()) return;
  std::chrono::nanoseconds time{0};
  if (parse_time(text, time))
    out.move_after = std::chrono::duration_cast<std::chrono::milliseconds>(time);
  else
    read.add({.what = fmt::format("'{}' is no time", text),
              .where = read.where("move-after"),
              .why = fmt::format("a number and one of {}", time_units),
              .help = "--move-after \"2 s\""});
}

void read_faults_of(value_reader& read, train_options& out) {
  std::vector<error_text> wrong;
  for (const std::string& text : read.value("inject").values)
    try {
      for (auto& f : parse_injected_faults(text, "--inject " + text))
        out.faults.push_back(std::move(f));
    } catch (const error& e) {
      wrong.push_back(e.text());
    }
  for (const std::string& path : read.value("faults").values)
    try {
      read_faults(read_file(path), path, out.faults, wrong);
    } catch (const error& e) {
      wrong.push_back(e.text());
    }
  for (error_text& w : wrong)
    read.add(std::move(w));
}

void read_wiring(value_reader& read, train_options& out) {
  out.wired = wiring_options_of(read);
  out.microbatches = static_cast<std::uint32_t>(read.whole("microbatches", 1, 1'000'000));
  out.threads = static_cast<int>(read.whole("threads", 0, 4096));
  for (const std::string& text : read.value("kill").values)
    try {
      out.kills.push_back(parse_fault_point(text, "--kill " + text));
    } catch (const error& e) {
      read.add(e.text());
    }
  read_faults_of(read, out);
  read_move_after(read, out);
  for (const std::string& said : read.value("dial").values)
    try {
      out.dials.push_back(parse_dial(said));
    } catch (const error& e) {
      read.add(e.text());
    }
  for (const std::string& text : read.value("slow").values)
    try {
      out.slow.push_back(parse_slow(text));
    } catch (const error& e) {
      read.add(e.text());
    }
}

} // namespace

augmentation parse_augment(const std::vector<std::string>& parts,
                           const std::string& where,
                           std::vector<error_text>& wrong) {
  augmentation out;
  for (const std::string& part : parts) {
    const auto colon = part.find(':');
    const std::string name = part.substr(0, colon);
    std::int64_t padding = crop_padding_standard;
    const bool counted = colon != std::string::npos;
    const bool shift = name == "shift" || name == "crop";
    if (counted &&
        (!shift || !parse_whole(part.substr(colon + 1), padding) || padding < 1 || padding > 64)) {
      wrong.push_back({.what = fmt::format("augmentation '{}' is not understood", part),
                       .where = where,
                       .why = "shift and crop alone take a number, 1 to 64 pixels",
                       .help = "--augment flip,shift:2"});
      continue;
    }
    if (name == "flip")
      out.flip = true;
    else if (shift)
      out.crop_padding = static_cast<int>(padding);
    else if (name == "normalise" || name == "normalize")
      out.normalise = true;
    else if (name != "none")
      wrong.push_back(
          {.what = fmt::format("unknown augmentation '{}'", name),
           .where = where,
           .why = "flip, shift[:N], crop[:N] and normalise are known",
           .help =
               suggestion(name, {"flip", "shift", "crop", "normalise"}, "--augment flip,shift:2")});
  }
  return out;
}

slice parse_slice(const std::string& text, std::vector<error_text>& wrong) {
  const auto colon = text.rfind(':');
  std::int64_t slices = 0;
  if (colon != std::string::npos && colon > 0 && parse_whole(text.substr(colon + 1), slices) &&
      slices >= 0 && slices <= INT_MAX)
    return {.layer = text.substr(0, colon), .slices = static_cast<int>(slices)};
  wrong.push_back({.what = fmt::format("'{}' does not say how to slice a layer", text),
                   .where = "--slice " + text,
                   .why = "LAYER:N, a path of the model's table and a number of slices",
                   .help = "--slice 0:2"});
  return {};
}

train_options train_options_of(const setting_values& values) {
  value_reader read(values);
  train_options out;
  out.model = read.choice("model", model_names());
  out.data = read.text("data");
  out.validation = read.real("validation", 0, 0.9999);
  std::vector<error_text> wrong;
  for (const std::string& text : read.value("slice").values)
    out.slices.push_back(parse_slice(text, wrong));
  out.augment = parse_augment(read.list("augment"), read.where("augment"), wrong);
  for (error_text& text : wrong)
    read.add(std::move(text));
  out.shuffle = read.flag("shuffle");
  out.balanced_sampling = read.flag("balanced-sampling");
  out.steps = read.whole("steps", 0, INT64_MAX);
  out.epochs = read.whole("epochs", out.steps > 0 ? 0 : 1, INT64_MAX);
  out.batch = read.whole("batch", 1, INT_MAX);
  out.seed = static_cast<std::uint64_t>(read.whole("seed", 0, INT64_MAX));
  out.optimizer = optimizer_of(read);
  out.learning_rate = learning_rate_of(read);
  read_loss(read, out);
  try {
    out.compression = make_codec(read.text("compress"));
  } catch (const error& e) {
    error_text text = e.text();
    text.where = read.where("compress");
    read.add(std::move(text));
  }
  out.compressed_microbatches =
      static_cast<std::uint32_t>(read.whole("compress-microbatches", 1, 65536));
  out.outer = outer_steps_of(read);
  read_wiring(read, out);
  out.load = read.text("load");
  out.save = read.text("save");
  out.resume = read.text("resume");
  out.run_folder = read.text("run-folder");
  out.metrics = read.text("metrics");
  out.timeline = read.text("timeline");
  out.timeline_steps = static_cast<int>(read.whole("timeline-steps", 1, 1'000'000));
  out.checkpoint_every = read.whole("checkpoint-every", 0, INT64_MAX);
  out.digest_every = read.whole("digest-every", 0, INT64_MAX);
  out.quiet = read.flag("quiet");
  out.json = read.flag("json");
  if (!read.wrong().empty()) throw mistakes(read.wrong());
  return out;
}

} // namespace troupe::cli
