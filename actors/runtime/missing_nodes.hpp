// What to tell people while nodes of a job are missing: a line soon, and again now and then; after
// a while what to do about it.
#pragma once

#include "ops/error.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace troupe {

struct missing_nodes_options {
  std::uint32_t nodes = 1, me = 0;
  std::string coordinator; // where node 0 is met
  std::chrono::nanoseconds first_word = std::chrono::milliseconds(1000);
  std::chrono::nanoseconds advice_after = std::chrono::seconds(10);
  std::chrono::nanoseconds every = std::chrono::seconds(5);
};

class missing_nodes {
public:
  using duration = std::chrono::nanoseconds;

  explicit missing_nodes(missing_nodes_options options) : options_(std::move(options)) {}

  void update(std::vector<std::uint32_t> missing, duration now);

  // What to say now, once; empty: nothing. `trouble`: what is known about the cause.
  std::string due(duration now, const std::string& trouble);
  [[nodiscard]] duration pause(duration now) const; // until there may be something

  [[nodiscard]] const std::vector<std::uint32_t>& nodes() const { return missing_; }

  [[nodiscard]] duration waited(duration now) const; // 0: nobody is missing

  [[nodiscard]] bool was_complete() const { return was_complete_; }

  [[nodiscard]] error_text failure(duration patience, const std::string& trouble) const;

private:
  [[nodiscard]] std::string help() const;

  missing_nodes_options options_;
  std::vector<std::uint32_t> missing_;
  duration since_{0}, next_{0};
  bool was_complete_ = false;
};

} // namespace troupe
