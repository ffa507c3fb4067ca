#include "cli/commands.hpp"
#include "cli/mistakes.hpp"
#include "cli/run_folder.hpp"
#include "cli/screen.hpp"
#include "cli/simulation_options.hpp"
#include "cli/simulation_speed.hpp"
#include "cli/simulation_table.hpp"
#include "cli/timeline_file.hpp"
#include "cli/train_options.hpp"
#include "troupe/node_memory.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <fstream>
#include <utility>
#include <vector>

namespace troupe::cli {

namespace {

// The settings of a training that make no sense here keep their defaults.
setting_values with_defaults(setting_values values) {
  for (auto& [name, value] : resolve(train_settings(), {}, {}, {}))
    values.try_emplace(name, value);
  return values;
}

// Everything that was said, wherever: the same words give the same simulation.
std::string replay_line(const command_line& line) {
  std::string out = "troupe simulate";
  for (const setting& s : line.known) {
    const auto& value = line.values.at(s.name);
    if (value.from == origin::standard) continue;
    if (s.kind == setting_kind::flag) {
      out += fmt::format(" --{}{}", value.values.back() == "false" ? "no-" : "", s.name);
      continue;
    }
    for (const std::string& word : value.values) {
      const char* mark = word.find_first_of(" >#'*") == std::string::npos ? "" : "\"";
      out += fmt::format(" --{} {}{}{}", s.name, mark, word, mark);
    }
  }
  return out;
}

struct trace_file {
  explicit trace_file(const std::string& path) {
    if (!path.empty()) file.open(path);
  }

  void write(const heard_message& m) {
    const auto step = step_of(*m.content);
    file << fmt::format("{:14.6f} ms  {} -> {}  {}{}{}\n",
                        std::chrono::duration<double, std::milli>(m.when).count(),
                        m.from.text(),
                        m.to.text(),
                        message_name(*m.content),
                        step ? fmt::format(" {}", *step) : "",
                        m.copy ? " (copy)" : "");
  }

  std::ofstream file;
};

screen_options look_of(const train_options& o, const job& j) {
  screen_options out = screen_options_of_process();
  out.quiet = o.quiet;
  out.tested = false;
  out.steps = j.total_steps();
  out.steps_per_epoch = j.steps_per_epoch();
  out.batch = j.batch;
  return out;
}

} // namespace

int simulate(const command_line& line) {
  const auto values = with_defaults(line.values);
  const train_options o = train_options_of(values);
  simulation_options s = simulation_options_of(values);
  check_writable(o.save, "--save");
  check_writable(s.trace, "--trace");
  check_readable(o.load, "--load");
  const wiring w =
      wiring_of(o, load_data_of(o.data, o.validation, o.seed, values.at("data").where));
  if (auto wrong = mistakes_of(s.cluster, w); !wrong.empty()) throw mistakes(std::move(wrong));
  if (s.measured) s.cluster.costs.pieces = measured_costs(w.job);

  const timeline_file timeline(o, w, s.cluster.nodes);
  trace_file trace(s.trace);
  std::uint64_t heard = 0;
  s.cluster.on_message = [&](const heard_message& m) {
    ++heard;
    if (!s.trace.empty()) trace.write(m);
  };
  simulation_speed speed;
  screen to(look_of(o, w.job));
  step_times steps;
  run_options options{.load_weights = o.load,
                      .evaluate = value_reader(values).flag("evaluate"),
                      .kills = o.kills,
                      .slow = o.slow,
                      .dials = o.dials,
                      .watch = timeline.watch()};
  options.observer = [&](const run_event& event) {
    if (const auto* step = std::get_if<step_event>(&event)) {
      steps.add(step->seconds);
      speed.step(step->seconds, heard);
    }
    to.show(event);
  };
  if (!o.quiet) to.say(fmt::format("{}: {}\n{}", o.model, w.name, model_text(s.cluster, w)));
  try {
    const bool computed = !s.cluster.timing_only;
    const run_result r = s.cluster.start(w, std::move(options)).wait();
    to.finish();
    timeline.write(to);
    speed.end(r, s.cluster.nodes > 0 ? s.cluster.nodes : w.nodes());
    if (!o.save.empty()) r.save_weights(o.save);
    fmt::print("{}",
               o.json ? simulation_json(r, steps, computed) + "\n"
                      : simulation_table(r, steps, computed));
    if (o.json)
      fmt::print("{}\n", speed.json());
    else
      fmt::print("predicted memory  at most {}\nreplay            {}\n",
                 most_text(memory_of_nodes(s.cluster, w)),
                 replay_line(line));
    if (!o.quiet && !o.json) to.say("of the wall clock: " + speed.text());
    std::fflush(stdout);
    return exit_done;
  } catch (const error&) {
    to.finish();
    timeline.write(to);
    fmt::print(stderr, "replay: {}\n", replay_line(line));
    throw;
  }
}

} // namespace troupe::cli
