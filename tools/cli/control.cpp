// troupe why, kill and stop: what is asked on the control channel of a run that goes on.
#include "cli/commands.hpp"
#include "cli/interrupt.hpp"
#include "cli/mistakes.hpp"
#include "cli/run_folder.hpp"
#include "cli/values.hpp"
#include "cli/watched_run.hpp"
#include "troupe/control_server.hpp"

#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <thread>

namespace troupe::cli {

namespace {

std::string ask(const std::string& folder, const control_arguments& request) {
  const auto socket = (std::filesystem::path(folder) / control_name).string();
  try {
    return ask_run(socket, request);
  } catch (const error& e) {
    const bool nobody = e.text().kind == error_kind::environment;
    throw mistakes(e.text(), nobody ? exit_environment : exit_usage);
  }
}

void print(const std::string& answer) {
  fmt::print("{}\n", answer);
  std::fflush(stdout);
}

// Until Ctrl-C, or until the run is over.
void watch(const std::string& folder, const control_arguments& request) {
  interrupt_watch interrupt;
  interrupt.on_first([] {});
  constexpr int looks_per_second = 10;
  for (bool first = true; !interrupt.interrupted(); first = false) {
    std::string said;
    try {
      said = ask(folder, request);
    } catch (const mistakes&) {
      if (first) throw;
      return print("the run is over");
    }
    print(first ? said : "\n" + said);
    for (int i = 0; i < looks_per_second && !interrupt.interrupted(); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(1000 / looks_per_second));
  }
}

} // namespace

int why(const command_line& line) {
  value_reader read(line.values);
  const bool json = read.flag("json"), dot = read.flag("dot"), again = read.flag("watch");
  if (json && dot)
    read.add({.what = "--json and --dot are two ways to say the same",
              .where = "troupe why --json --dot",
              .why = "one of them goes to stdout",
              .help = "leave one out"});
  if (!read.wrong().empty()) throw mistakes(read.wrong());
  const auto folder = watched_folder(read.text("run-folder"));
  const control_arguments request{{"ask", "why"}, {"as", json ? "json" : dot ? "dot" : "text"}};
  if (again)
    watch(folder, request);
  else
    print(ask(folder, request));
  return exit_done;
}

int kill_actor(const command_line& line) {
  value_reader read(line.values);
  const auto said = read.text("actor");
  if (said.empty())
    throw mistakes({.what = "nothing says who is to be killed",
                    .where = "troupe kill",
                    .why = "",
                    .help = "troupe kill layer_shard/1/0"});
  const auto who = actor_of(said, "troupe kill " + said);
  const auto folder = watched_folder(read.text("run-folder"));
  print(ask(folder, {{"ask", "kill"}, {"who", who.text()}}));
  return exit_done;
}

int stop_run(const command_line& line) {
  value_reader read(line.values);
  print(ask(watched_folder(read.text("run-folder")), {{"ask", "stop"}}));
  return exit_done;
}

} // namespace troupe::cli
