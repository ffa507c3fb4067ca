// A schedule says in which order each stage of a pipeline computes, for one step. It is a value:
// made by a function, read from a text file or written by hand; checked, simulated and drawn before
// anything is spawned. Results do not depend on it; time and memory do.
//
// The model is cut into parts; part p runs on stage p % stages. Forward flows from part 0 to the
// last part, backward the other way. A stage computes its list in order and waits where the next
// operation's input has not come yet. docs/schedules.md says when to use which.
#pragma once

#include "actors/schedule_op.hpp"
#include "ops/error.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace troupe {

struct schedule {
  std::string name; // one word
  int stages = 1;
  int parts = 1; // at least one per stage
  std::uint32_t microbatches = 1;
  std::vector<std::vector<schedule_op>> per_stage;

  friend bool operator==(const schedule&, const schedule&) = default;
};

// All makers throw error where the sizes make no schedule. They take any number of microbatches.

// All forwards, then all backwards (Huang et al. 2019, "GPipe", section 2.2).
schedule gpipe(int stages, std::uint32_t microbatches);

// PipeDream-Flush: as many forwards as there are stages behind, then one forward, one backward
// (Narayanan et al. 2021, "Efficient Large-Scale Language Model Training on GPU Clusters Using
// Megatron-LM", section 2.2.1).
schedule one_f_one_b(int stages, std::uint32_t microbatches);

// 1F1B with several parts per stage, microbatches in groups of `stages` (the same, section 2.2.2).
// Where the last group is not full, the microbatches that it lacks are left out.
// REQUIRES: parts is a multiple of stages (throws error).
schedule interleaved(int stages, int parts, std::uint32_t microbatches);

// ZB-H1: 1F1B whose backward is split; stage s does the weight gradients s microbatches late, so
// that every stage keeps as many activations as 1F1B's first (Qi et al. 2024, "Zero Bubble
// Pipeline Parallelism", section 2.1).
schedule zero_bubble(int stages, std::uint32_t microbatches);

const std::vector<std::string>& schedule_names(); // gpipe, 1f1b, interleaved, zero-bubble
schedule named_schedule(const std::string& name, int stages, int parts, std::uint32_t microbatches);

// As in a file: "schedule 1f1b stages 2 parts 2 microbatches 2", then a line per stage, "0: F0
// ...".
std::string text(const schedule& s);
// "F3@1"; "F3" where the part is the one that a reader would assume.
std::string text(const schedule_op& op, int assumed_part = -1);

// The inverse of text(schedule), for a schedule whose name is one word. Checks the form alone;
// mistakes_of says whether it can run. Throws error with the line and the column (in bytes, from
// 1); `path` is for this text.
schedule parse_schedule(const std::string& text, const std::string& path = "");
schedule load_schedule(const std::string& path); // throws error, also where it cannot be read

// Everything that keeps the schedule from running, up to 20 mistakes; empty when it can run.
// Operations that are missing, doubled, misplaced or in the wrong order; then deadlocks.
std::vector<error_text> mistakes_of(const schedule& s);

// The same where at most `credit` values may wait between two parts: a forward begins only when
// part p has done fewer than `credit` forwards more than part p + 1. Gradients are not bounded:
// no more of them can be under way than activations are kept.
std::vector<error_text> mistakes_of(const schedule& s, int credit);

// What would be wrong with a schedule of these sizes, whatever its lists.
std::vector<error_text> size_mistakes(int stages, int parts, std::uint32_t microbatches);

// The functions below REQUIRE: mistakes_of(s) is empty.

// The most (part, microbatch) pairs of each stage whose activations are kept at once: from the
// forward until the backward, or until the gradient of the weights where backward is split.
std::vector<int> peak_activations(const schedule& s);
std::vector<int> peak_activations_of_parts(const schedule& s); // the same for each part

// For each edge from part p to p + 1, the most activations that wait there when every stage runs as
// early as its list allows and all operations take equally long. With the largest of them as
// credit, mistakes_of(s, credit) is empty.
std::vector<int> credits_of(const schedule& s);

} // namespace troupe
