// What each of those who start processes says about the place of this one. Reads only; whom to
// believe is cluster_environment's.
#pragma once

#include "ops/error.hpp"
#include "troupe/cluster_environment.hpp"

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace troupe {

// What one source says; it may leave things out.
struct place_claim {
  std::string source;                                    // "Slurm"
  std::vector<std::pair<std::string, std::string>> read; // variables and their values
  std::optional<std::uint32_t> number, count, local_number;
  std::string coordinator, job;
  int restarts = 0;
  std::string without_count, without_coordinator; // cures
  std::string coordinator_trouble;                // why it says none

  [[nodiscard]] std::string names_text() const;  // "RANK, WORLD_SIZE"
  [[nodiscard]] std::string values_text() const; // "RANK=0, WORLD_SIZE=4"
};

// What Troupe's variables say besides a place.
struct own_words {
  bool alone = false; // TROUPE_WORLD=1 and no rank: a job of this process, whatever others say
  std::string job, keys, trusted;
  bool share_tensors = true;
  int restarts = 0;
  int spare = -1;
};

struct place_sources {
  own_words own;
  std::vector<place_claim> claims; // in the order in which they are believed
  std::string shell;               // an engine that is there, but did not start this process
  std::vector<std::pair<std::string, std::string>> asked; // every source: what was found
  std::vector<error_text> wrong;
};

place_sources read_place_sources(const environment_variables& v);

} // namespace troupe
