// The command line: which command, and what each option says. CLI11 parses; the settings decide.
#pragma once

#include "cli/settings.hpp"

#include <string>
#include <vector>

namespace troupe::cli {

struct command_line {
  std::string command; // "train"; empty: help or version was asked for
  std::string text;    // what to print then
  setting_list known;  // settings of the command
  setting_values values;
  bool print_config = false;
  std::vector<std::string> program; // what comes after --, of commands that run one
};

// `words` without the program's name. Reads the file that --config (or the run folder of --resume)
// names. Throws mistakes.
command_line parse_command_line(const std::vector<std::string>& words,
                                const environment& surroundings);

} // namespace troupe::cli
