// troupe launch: a job as several processes of this machine.
#include "cli/commands.hpp"
#include "cli/launch_folder.hpp"
#include "cli/launch_nodes.hpp"
#include "cli/mistakes.hpp"
#include "cli/node_supervisor.hpp"
#include "cli/run_folder.hpp"
#include "cli/values.hpp"
#include "troupe/units.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <optional>

namespace troupe::cli {

namespace {

constexpr std::int64_t nodes_max = 4096, restarts_max = 1'000'000;

struct wishes {
  std::uint32_t nodes = 0;
  int restarts = 0, spares = 0;
  bool share_tensors = true;
  std::string over, coordinator, keys, logs;
  std::chrono::nanoseconds grace{};
};

wishes wishes_of(const setting_values& values) {
  value_reader read(values);
  wishes out;
  out.over = read.choice("over", {"ipc", "tcp"});
  out.restarts = static_cast<int>(read.whole("restarts", 0, restarts_max));
  out.spares = static_cast<int>(read.whole("spares", 0, nodes_max));
  out.coordinator = read.text("coordinator");
  out.share_tensors = read.flag("share-tensors");
  out.keys = read.text("keys");
  if (!out.keys.empty()) out.keys = std::filesystem::absolute(out.keys).lexically_normal();
  out.logs = read.text("log-folder");
  if (read.text("nodes").empty())
    read.add({.what = "nothing says how many processes",
              .where = "troupe launch",
              .why = "",
              .help = "troupe launch -n 4 -- ./driver"});
  else
    out.nodes = static_cast<std::uint32_t>(read.whole("nodes", 1, nodes_max));
  if (!parse_time(read.text("grace"), out.grace) || out.grace.count() < 0)
    read.add({.what = fmt::format("'{}' is no time", read.text("grace")),
              .where = read.where("grace"),
              .why = fmt::format("a number and one of {}", time_units),
              .help = "--grace \"5 s\""});
  if (!read.wrong().empty()) throw mistakes(read.wrong());
  return out;
}

// Reads what a node would: a mistake is told before anything starts.
void check_place(const node_place& place) {
  environment_variables said;
  for (const auto& [name, value] : variables_for(place))
    if (name.rfind("TROUPE_", 0) == 0) said.emplace(name, value);
  try {
    place_in(said);
  } catch (const error& e) {
    throw mistakes(e.text());
  }
}

process_plan plan_of(node_place place,
                     int restarts,
                     const std::vector<std::string>& program,
                     const std::string& logs) {
  place.restarts = restarts;
  process_plan out{.words = program, .variables = variables_for(place)};
  if (place.number == 0) {
    out.hears = ::isatty(STDIN_FILENO) == 0; // a terminal is the launch's: Ctrl-C goes there
    return out;
  }
  const std::string folder = make_node_folder(logs, fmt::to_string(place.number));
  out.output = folder + "/stdout.log";
  out.errors = folder + "/stderr.log";
  return out;
}

// It may become any node but 0.
process_plan spare_plan(node_place place,
                        int told,
                        const std::vector<std::string>& program,
                        const std::string& logs) {
  place.number = place.local_number = 1;
  place.spare = told;
  const std::string folder = make_node_folder(logs, "spare");
  return {.words = program,
          .variables = variables_for(place),
          .output = folder + "/stdout.log",
          .errors = folder + "/stderr.log"};
}

} // namespace

int launch(const command_line& line) {
  open_standard_files();
  const wishes w = wishes_of(line.values);
  const launch_folder own;
  std::optional<loopback_port> port;
  node_place place{.count = w.nodes, .job = own.name(), .share_tensors = w.share_tensors};
  if (!w.coordinator.empty())
    place.coordinator = w.coordinator;
  else if (w.over == "tcp")
    place.coordinator = port.emplace().endpoint();
  else
    place.coordinator = "ipc://" + own.path() + "/node-0";
  check_place(place);
  if (!w.keys.empty()) make_node_keys(w.keys, w.nodes);

  std::string logs = w.logs;
  if (logs.empty() && w.nodes > 1)
    logs = run_folder::open("", "", "launch-" + driver_name(line.program)).path();
  if (w.nodes > 1) fmt::print(stderr, "logs of nodes 1 to {}: {}/nodes\n", w.nodes - 1, logs);

  std::vector<node_plan> plans;
  for (std::uint32_t n = 0; n < w.nodes; ++n) {
    place.number = place.local_number = n;
    if (!w.keys.empty()) {
      place.keys = fmt::format("{}/node-{}.secret", w.keys, n);
      place.trusted = w.keys + "/trusted";
    }
    plans.push_back({n, [place, logs, program = line.program](int restarts) {
                       return plan_of(place, restarts, program, logs);
                     }});
  }
  node_supervisor all(std::move(plans),
                      {.restarts_max = w.restarts,
                       .grace = w.grace,
                       .folder = own.path(),
                       .spares = w.nodes > 1 ? w.spares : 0,
                       .spare_process = [place, logs, program = line.program](int told) {
                         return spare_plan(place, told, program, logs);
                       }});
  return all.run();
}

} // namespace troupe::cli
