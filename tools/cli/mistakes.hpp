// What ends the program early: one or several mistakes and the exit code that they deserve.
#pragma once

#include "ops/error.hpp"

#include <stdexcept>
#include <string>
#include <vector>

namespace troupe::cli {

enum exit_code : int {
  exit_done = 0,
  exit_failed = 1,      // the job began, or its files are damaged
  exit_usage = 2,       // an option is wrong
  exit_environment = 3, // a package is missing, a path cannot be written
  exit_interrupted = 130,
};

class mistakes : public std::runtime_error {
public:
  explicit mistakes(std::vector<error_text> all, exit_code code = exit_usage);
  explicit mistakes(error_text one, exit_code code = exit_usage);

  const std::vector<error_text>& all() const noexcept { return all_; }

  exit_code code() const noexcept { return code_; }

private:
  std::vector<error_text> all_;
  exit_code code_;
};

// "error: what\n  --> where\n  why\n  help: help\n"
std::string report(const error_text& text);
std::string report(const std::vector<error_text>& all);

// "did you mean 'x'?" or `otherwise`.
std::string suggestion(const std::string& word,
                       const std::vector<std::string>& known,
                       const std::string& otherwise);

// "constant, step or cosine"
std::string choice_text(const std::vector<std::string>& choices);

} // namespace troupe::cli
