// troupe node: one node of a job, on this machine, wherever the others are.
#include "cli/commands.hpp"
#include "cli/launch_nodes.hpp"
#include "cli/mistakes.hpp"
#include "cli/node_supervisor.hpp"
#include "cli/values.hpp"

#include <fmt/format.h>

namespace troupe::cli {

namespace {

constexpr std::int64_t restarts_max = 1'000'000;

// An option stands for a variable, and is believed like one.
node_place place_of(value_reader& read) {
  environment_variables v = variables_of_process();
  const auto say = [&](const char* option, const char* variable) {
    if (const std::string said = read.text(option); !said.empty()) v[variable] = said;
  };
  say("join", "TROUPE_COORDINATOR");
  say("number", "TROUPE_RANK");
  say("nodes", "TROUPE_WORLD");
  say("job", "TROUPE_JOB");
  say("keys", "TROUPE_KEYS");
  say("trusted", "TROUPE_TRUSTED");
  try {
    return place_in(v);
  } catch (const error& e) {
    error_text text = e.text();
    text.help += "; --number, --nodes, --join, --job, --keys and --trusted say it, too";
    throw mistakes(std::move(text));
  }
}

} // namespace

int run_node(const command_line& line) {
  open_standard_files();
  value_reader read(line.values);
  node_place place = place_of(read);
  place.share_tensors = read.flag("share-tensors");
  const int restarts = static_cast<int>(read.whole("restarts", 0, restarts_max));
  if (!read.wrong().empty()) throw mistakes(read.wrong());
  const std::string logs = read.text("log-folder");
  const auto process = [=, program = line.program](int again) {
    node_place now = place;
    now.restarts += again;
    process_plan out{.words = program, .variables = variables_for(now), .hears = false};
    if (!logs.empty() && place.number != 0) {
      const std::string folder = make_node_folder(logs, fmt::to_string(place.number));
      out.output = folder + "/stdout.log";
      out.errors = folder + "/stderr.log";
    }
    return out;
  };
  fmt::print(stderr, "node {} of {}: {}\n", place.number, place.count, place.source);
  // Of the codes of all nodes an engine may tell the largest: that of one that it ended itself must
  // not hide the one that failed.
  node_supervisor all({{place.number, process}},
                      {.restarts_max = restarts, .ended_code = exit_failed, .folder = ""});
  return all.run();
}

} // namespace troupe::cli
