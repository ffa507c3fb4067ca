#include "cli/commands.hpp"
#include "cli/mistakes.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <exception>

namespace troupe::cli {

namespace {

int run_command(const command_line& line) {
  if (line.command.empty()) {
    fmt::print("{}", line.text);
    return exit_done;
  }
  if (line.print_config) {
    fmt::print("{}", config_text(line.known, line.values, true));
    return exit_done;
  }
  if (line.command == "train") return train(line);
  if (line.command == "plan") return plan(line);
  if (line.command == "wiring") return show_wiring(line);
  if (line.command == "simulate") return simulate(line);
  if (line.command == "calibrate") return calibrate(line);
  if (line.command == "eval") return eval(line);
  if (line.command == "bench") return bench(line);
  if (line.command == "keys") return keys(line);
  if (line.command == "launch") return launch(line);
  if (line.command == "launch-slurm") return launch_slurm(line);
  if (line.command == "node") return run_node(line);
  if (line.command == "top") return top(line);
  if (line.command == "why") return why(line);
  if (line.command == "kill") return kill_actor(line);
  if (line.command == "inject") return inject_fault(line);
  if (line.command == "chaos") return chaos(line);
  if (line.command == "drain") return drain(line);
  if (line.command == "stop") return stop_run(line);
  return doctor(line);
}

} // namespace

int run_program(const std::vector<std::string>& words) {
  try {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing writes the environment.
    const auto surroundings = [](const std::string& name) { return std::getenv(name.c_str()); };
    return run_command(parse_command_line(words, surroundings));
  } catch (const mistakes& wrong) {
    fmt::print(stderr, "{}", wrong.what());
    return wrong.code();
  } catch (const error& e) {
    fmt::print(stderr, "{}", report(e.text()));
    return exit_failed;
  } catch (const std::exception& e) {
    fmt::print(stderr, "{}", report({.what = e.what()}));
    return exit_failed;
  }
}

} // namespace troupe::cli
