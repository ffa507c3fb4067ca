// Cuts a program into parts that different actors compute. The whole program is built first, and
// its operations are dealt out afterwards: a part runs the very primitives, in the very layouts, of
// the whole, so every cut gives the bits of the whole. What one part writes and another reads
// crosses between them, once per reader.
#pragma once

#include "ops/kernels/builder.hpp"
#include "ops/kernels/unit.hpp"
#include "ops/program.hpp"

#include <vector>

namespace troupe::kernels {

// Units that cannot be computed apart, as runs in execution order: a unit that writes the gradient
// of another one's parameter belongs to it. Those of one slice of a layer stay together.
std::vector<std::vector<int>> pieces_of(const builder& b, const std::vector<unit>& units);

// Who computes what; all zeros for a whole model.
struct part_map {
  std::vector<int> of_unit, of_parameter;
  std::vector<int> pieces; // by unit
};

part_map parts_of(const graph& g, const std::vector<unit>& units, std::vector<int> of_unit);

// An operation's last write of a value before another part reads it.
struct sending {
  pass when = pass::forward;
  int operation = 0; // of the pass
  int crossing = 0;
};

struct partition {
  std::vector<crossing> crossings; // of all parts
  std::vector<int> slots;          // by crossing
  std::vector<sending> sendings;
};

// Throws error where parts are not numbered in
// the order of execution.
partition
cut(const builder& b, const part_map& parts, const view& output, const view& output_gradient);

// For each backward operation, whether it computes weight gradients and nothing that another part,
// or a later operation of another kind, waits for.
std::vector<bool> weight_operations(const builder& b, const partition& cuts);

} // namespace troupe::kernels
