// What `troupe simulate WORDS` is asked for, and what is wrong with it.
#pragma once

#include "cli/command_line.hpp"
#include "cli/mistakes.hpp"
#include "cli/simulation_options.hpp"

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

namespace troupe::cli {

inline simulation_options simulation_of(std::vector<std::string> words) {
  words.insert(words.begin(), "simulate");
  return simulation_options_of(parse_command_line(words, nullptr).values);
}

inline std::string wrong_of_simulation(std::vector<std::string> words) {
  try {
    simulation_of(std::move(words));
  } catch (const mistakes& wrong) {
    CHECK(wrong.code() == exit_usage);
    return wrong.what();
  }
  return "";
}

} // namespace troupe::cli
