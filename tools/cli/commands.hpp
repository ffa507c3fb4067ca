// The commands of the program. Each returns an exit code; results go to stdout, talk to stderr.
#pragma once

#include "cli/command_line.hpp"

#include <string>
#include <vector>

namespace troupe::cli {

int train(const command_line& line);
int plan(const command_line& line);
int show_wiring(const command_line& line);
int simulate(const command_line& line);
int calibrate(const command_line& line);
int eval(const command_line& line);
int bench(const command_line& line);
int keys(const command_line& line);
int launch(const command_line& line);
int launch_slurm(const command_line& line);
int run_node(const command_line& line);
int top(const command_line& line);
int why(const command_line& line);
int kill_actor(const command_line& line);
int inject_fault(const command_line& line);
int chaos(const command_line& line);
int drain(const command_line& line);
int stop_run(const command_line& line);
int doctor(const command_line& line);

std::string cpu_name(); // of this machine

// The whole program: parses, runs, reports mistakes.
int run_program(const std::vector<std::string>& words);

} // namespace troupe::cli
