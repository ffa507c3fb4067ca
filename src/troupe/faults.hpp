// Faults that are injected into a run, live or simulated, as plain data: what goes wrong
// (actors/fault.hpp) and when. docs/faults.md says which world can do what.
//
// Written WHEN VERB OBJECT:
//   30 ms kill layer_shard/1        so long after the run began; simulated: virtual
//   step 20 pause 0                 when 20 steps of the job are committed
//   2/s kill any                    again and again, at random times with that mean
//   kill layer_shard/1@step=3,message=2,call=1     at a fault point
//   drop 0->1 x3                    at once
//   step 20 cut 0-1 for 2 s         and what repairs it so much later
#pragma once

#include "actors/fault.hpp"
#include "actors/fault_point.hpp"
#include "troupe/fault_costs.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace troupe {

struct injected_fault {
  static constexpr double per_second_max = 1000;

  fault what;
  // When; none of them: at once. At most one.
  std::optional<std::chrono::nanoseconds> at = {};
  std::optional<std::int64_t> step = {};
  std::optional<double> per_second = {};
  std::optional<fault_point> point = {};              // of a kill, whose actor it names
  std::optional<std::chrono::nanoseconds> lasts = {}; // then it is repaired; none: it stays
};

// One that happened; of a kill at a fault point it is known when the successor is ready.
struct fault_record {
  fault what;            // "kill any" is told as the kill of whom it was
  std::int64_t step = 0; // committed when it happened
  double seconds = 0;    // since the run began; simulated: virtual
  std::optional<std::chrono::nanoseconds> lasts = {};
  std::optional<fault_point> point = {};
  // Of the kill of an actor: until its supervisor knew, and then until its successor was ready.
  // None: it is not yet, or was killed again, together with this one, before anybody knew.
  std::optional<double> detection_ms = {}, recovery_ms = {};
  std::optional<double> next_step_ms = {}; // until a step was committed; none: none was
  fault_cost cost;                         // from then on until the next fault
};

injected_fault again(const fault_record& r); // at its point, or when so many steps are committed

std::string text(const injected_fault& f);
std::string text(const fault_record& r); // what, and where
// Kinds of faults, a line each: how many, and how long recovery took.
std::string summary(const std::vector<fault_record>& all);
// Several where the object names both directions of a link. Throws error at `where`.
std::vector<injected_fault> parse_injected_faults(const std::string& text,
                                                  const std::string& where);

} // namespace troupe
