#include "cli/commands.hpp"
#include "cli/mistakes.hpp"
#include "cli/screen.hpp"
#include "cli/simulation_json.hpp"
#include "cli/simulation_plots.hpp"
#include "cli/simulation_speed.hpp"
#include "cli/simulation_table.hpp"
#include "cli/sweep_table.hpp"
#include "cli/timeline_file.hpp"
#include "troupe/node_memory.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cstdio>
#include <fstream>

namespace troupe::cli {

namespace {

// Everything that was said, wherever: the same words give the same simulation.
std::string replay_line(const setting_list& known, const setting_values& values) {
  std::string out = "troupe simulate";
  for (const setting& s : known) {
    const auto& value = values.at(s.name);
    if (value.from == origin::standard) continue;
    if (s.kind == setting_kind::flag) {
      out += fmt::format(" --{}{}", value.values.back() == "false" ? "no-" : "", s.name);
      continue;
    }
    for (const std::string& word : value.values) {
      const char* mark = word.find_first_of(" >#'*;") == std::string::npos ? "" : "\"";
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

int simulate_one(const command_line& line) {
  data_shelf data;
  simulation_plan plan = simulation_plan_of(line.values, data);
  const auto& o = plan.training;
  auto& cluster = plan.options.cluster;
  const auto replay = replay_line(line.known, line.values);
  const timeline_file timeline(o, plan.wired, cluster.nodes);
  trace_file trace(plan.options.trace);
  std::uint64_t heard = 0;
  cluster.on_message = [&](const heard_message& m) {
    ++heard;
    if (!plan.options.trace.empty()) trace.write(m);
  };
  simulation_speed speed;
  screen to(look_of(o, plan.wired.job));
  if (!o.quiet)
    to.say(fmt::format("{}: {}\n{}", o.model, plan.wired.name, model_text(cluster, plan.wired)));
  try {
    const auto figures = play(
        plan,
        [&](const run_event& e) {
          if (const auto* step = std::get_if<step_event>(&e)) speed.step(step->seconds, heard);
          to.show(e);
        },
        timeline.watch());
    to.finish();
    timeline.write(to);
    speed.end(figures.result, cluster.nodes > 0 ? cluster.nodes : plan.wired.nodes());
    if (!o.save.empty()) figures.result.save_weights(o.save);
    write_plots(plan.options.plot, charts_of(figures));
    if (o.json)
      fmt::print("{}\n{}\n", simulation_json(figures).dump(), speed.json());
    else
      fmt::print("{}predicted memory  at most {}\nreplay            {}\n",
                 simulation_table(figures),
                 most_text(memory_of_nodes(cluster, plan.wired)),
                 replay);
    if (!o.quiet && !o.json) to.say("of the wall clock: " + speed.text());
    std::fflush(stdout);
    return exit_done;
  } catch (const error&) {
    to.finish();
    timeline.write(to);
    fmt::print(stderr, "replay: {}\n", replay);
    throw;
  }
}

int simulate_all(const command_line& line, const sweep& s) {
  value_reader read(line.values);
  const bool json = read.flag("json");
  if (!json) fmt::print("{}", sweep_heading(s));
  bool any = false;
  const auto rows = play(s, line.values, [&](const sweep_row& row) {
    any = any || row.wrong.empty();
    const auto alone = row.wrong.empty() ? replay_line(line.known, row.values) : "";
    fmt::print("{}", json ? sweep_json(s, row, alone).dump() + "\n" : sweep_line(s, row));
    std::fflush(stdout);
  });
  write_plots(read.text("plot"), charts_of(s, rows));
  return any ? exit_done : exit_usage;
}

} // namespace

int simulate(const command_line& line) {
  check_plot(value_reader(line.values).text("plot"));
  const sweep s = sweep_of(line.values, line.known);
  return s.empty() ? simulate_one(line) : simulate_all(line, s);
}

} // namespace troupe::cli
