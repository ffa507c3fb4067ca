// troupe why, kill, inject, chaos, drain and stop: what is asked on the control channel of a run
// that goes on.
#include "cli/commands.hpp"
#include "cli/interrupt.hpp"
#include "cli/mistakes.hpp"
#include "cli/run_folder.hpp"
#include "cli/values.hpp"
#include "cli/watched_run.hpp"
#include "troupe/control_server.hpp"
#include "troupe/units.hpp"

#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <optional>
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

constexpr int looks_per_second = 10;
constexpr auto between_looks = std::chrono::milliseconds(1000 / looks_per_second);

// Until Ctrl-C, or until the run is over.
void watch(const std::string& folder, const control_arguments& request) {
  interrupt_watch interrupt;
  interrupt.on_first([] {});
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
      std::this_thread::sleep_for(between_looks);
  }
}

// Until Ctrl-C, or so long, or until the run is over; then what it did.
void storm(const std::string& folder,
           const std::string& fault,
           std::optional<std::chrono::nanoseconds> lasts) {
  interrupt_watch interrupt;
  interrupt.on_first([] {});
  print(ask(folder, {{"ask", "inject"}, {"fault", fault}}) +
        (lasts ? "" : "; Ctrl-C ends that, and not the run"));
  const auto began = std::chrono::steady_clock::now();
  std::string said;
  while (!interrupt.interrupted() &&
         !(lasts && std::chrono::steady_clock::now() - began >= *lasts)) {
    std::this_thread::sleep_for(between_looks);
    try {
      said = ask(folder, {{"ask", "faults"}});
    } catch (const mistakes&) {
      return print("the run is over" + (said.empty() ? "" : "; it had\n" + said));
    }
  }
  print(ask(folder, {{"ask", "calm"}}));
  print(ask(folder, {{"ask", "faults"}}));
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
  const auto who = parse_address(said, "troupe kill " + said);
  const auto folder = watched_folder(read.text("run-folder"));
  print(ask(folder, {{"ask", "kill"}, {"who", who.text()}}));
  return exit_done;
}

int inject_fault(const command_line& line) {
  value_reader read(line.values);
  const auto said = read.text("fault");
  if (said.empty())
    throw mistakes({.what = "nothing says what is to go wrong",
                    .where = "troupe inject",
                    .why = "",
                    .help = "troupe inject \"step 200 pause 0 for 2 s\""});
  print(ask(watched_folder(read.text("run-folder")), {{"ask", "inject"}, {"fault", said}}));
  return exit_done;
}

int chaos(const command_line& line) {
  value_reader read(line.values);
  double rate = 0;
  if (!parse_rate(read.text("rate"), rate))
    read.add({.what = fmt::format("'{}' is no rate", read.text("rate")),
              .where = read.where("rate"),
              .why = "so many times a second",
              .help = "--rate 2/s"});
  std::optional<std::chrono::nanoseconds> lasts;
  if (const auto text = read.text("for"); !text.empty() && !parse_time(text, lasts.emplace()))
    read.add({.what = fmt::format("'{}' is no time", text),
              .where = read.where("for"),
              .why = fmt::format("a number and one of {}", time_units),
              .help = "--for \"30 s\""});
  if (!read.wrong().empty()) throw mistakes(read.wrong());
  storm(watched_folder(read.text("run-folder")),
        fmt::format("{} kill {}", read.text("rate"), read.text("kill")),
        lasts);
  return exit_done;
}

int drain(const command_line& line) {
  value_reader read(line.values);
  const auto node = read.whole("node", 1, 1'000'000);
  if (!read.wrong().empty()) throw mistakes(read.wrong());
  print(ask(watched_folder(read.text("run-folder")),
            {{"ask", "drain"}, {"node", std::to_string(node)}}));
  return exit_done;
}

int stop_run(const command_line& line) {
  value_reader read(line.values);
  print(ask(watched_folder(read.text("run-folder")), {{"ask", "stop"}}));
  return exit_done;
}

} // namespace troupe::cli
