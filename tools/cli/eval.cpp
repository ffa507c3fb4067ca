#include "cli/class_table.hpp"
#include "cli/commands.hpp"
#include "cli/mistakes.hpp"
#include "cli/run_folder.hpp"
#include "cli/train_options.hpp"
#include "cli/values.hpp"
#include "ops/files/count_text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cstdio>

namespace troupe::cli {

namespace {

struct eval_options {
  std::string model, load, data;
  augmentation augment;
  bool classes = false, json = false;
};

eval_options eval_options_of(const setting_values& values) {
  value_reader read(values);
  eval_options out;
  out.model = read.choice("model", model_names());
  out.load = read.text("load");
  out.data = read.text("data");
  std::vector<error_text> wrong;
  out.augment = parse_augment(read.list("augment"), read.where("augment"), wrong);
  for (error_text& text : wrong)
    read.add(std::move(text));
  if (out.load.empty())
    read.add({.what = "there are no weights to evaluate",
              .where = "troupe eval",
              .why = "",
              .help = "--load weights.safetensors"});
  out.classes = read.flag("classes");
  out.json = read.flag("json");
  if (!read.wrong().empty()) throw mistakes(read.wrong());
  return out;
}

} // namespace

int eval(const command_line& line) {
  const eval_options o = eval_options_of(line.values);
  check_readable(o.load, "--load");
  const data_split data = load_data_of(o.data, 0, 1, line.values.at("data").where);
  if (data.test == nullptr)
    throw mistakes(
        {.what = fmt::format("data {} has no test images", o.data), .where = "--data " + o.data});
  const model m = model_by_name(o.model, data.train->classes);
  const pixel_transform pixels = pixel_transform_of(*data.train, o.augment);
  const evaluation found = evaluate(m, o.load, data.test, pixels, softmax_cross_entropy{});
  std::vector<class_score> scores;
  if (o.classes) scores = score_classes(m, o.load, *data.test, pixels);

  if (o.json) {
    nlohmann::ordered_json out = {{"event", "evaluation"},
                                  {"model", o.model},
                                  {"weights", o.load},
                                  {"data", data.test->name},
                                  {"images", found.images},
                                  {"loss", found.loss},
                                  {"accuracy", found.accuracy}};
    for (const class_score& s : scores)
      out["classes"].push_back({{"images", s.images}, {"correct", s.correct}});
    fmt::print("{}\n", out.dump());
    return exit_done;
  }
  fmt::print("images    {}\nloss      {:.4f}\naccuracy  {:.2f} %\n",
             count_text(found.images),
             found.loss,
             found.accuracy * 100);
  if (!scores.empty()) fmt::print("\n{}", class_table(scores));
  return exit_done;
}

} // namespace troupe::cli
