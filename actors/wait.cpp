#include "actors/wait.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <tuple>

namespace troupe {

namespace {

struct words {
  const char* name;
  const char* said; // of a step
};

constexpr std::array<words, 23> all_words{{{"permission", "permission to compute step {}"},
                                           {"share", "its share of step {}"},
                                           {"parameters", "the parameters for step {}"},
                                           {"batch", "the batch of step {}"},
                                           {"activation", "the activations of step {}"},
                                           {"output_gradient", "the output gradients of step {}"},
                                           {"gradient", "the gradients of step {}"},
                                           {"sum", "the summed gradient of step {}"},
                                           {"update", "the update of step {}"},
                                           {"outer_parameters", "the outer parameters of step {}"},
                                           {"commit", "the commit of step {}"},
                                           {"report", "the report of step {}"},
                                           {"record", "the record of step {}"},
                                           {"cursor", "where the job stands"},
                                           {"evaluation", "the evaluation after step {}"},
                                           {"save", "the checkpoint of step {}"},
                                           {"state", "the state of step {}"},
                                           {"residual", "the residuals of step {}"},
                                           {"copy", "the state of a copy"},
                                           {"log", "the log to be written down"},
                                           {"restart", "to be started again"},
                                           {"backoff", "the time to start it again"},
                                           {"computation", "what it computes of step {}"}}};

const words& words_of(wait_kind kind) {
  return all_words[static_cast<std::size_t>(kind)];
}

std::string microbatches_text(const wait& w) {
  const auto last = w.microbatch + w.microbatches - 1;
  if (w.microbatches == 1) return fmt::format("microbatch {}", w.microbatch);
  if (w.microbatches == 2) return fmt::format("microbatches {} and {}", w.microbatch, last);
  return fmt::format("microbatches {} to {}", w.microbatch, last);
}

auto same_thing(const wait& w) {
  return std::tuple(w.what, w.from, w.step, w.island, w.guessed, w.due);
}

// Whether it could be added: microbatches that follow, and blocks of the same microbatches.
bool take(wait& into, const wait& other) {
  const bool same_run =
      into.microbatch == other.microbatch && into.microbatches == other.microbatches;
  const bool same_blocks = into.block == other.block && into.blocks == other.blocks;
  if (same_run) {
    into.blocks += same_blocks ? 0 : other.blocks;
    return true;
  }
  if (!same_blocks || into.microbatch + into.microbatches < other.microbatch) return false;
  const auto end =
      std::max(into.microbatch + into.microbatches, other.microbatch + other.microbatches);
  into.microbatches = end - into.microbatch;
  return true;
}

} // namespace

const char* wait_name(wait_kind kind) {
  return words_of(kind).name;
}

std::string text(const wait& w) {
  const auto step =
      w.step == wait::no_step ? std::string("the next step") : fmt::format("{}", w.step);
  std::string out = words_of(w.what).said;
  if (const auto at = out.find("step {}"); at != std::string::npos)
    out.replace(at, 7, w.step == wait::no_step ? step : "step " + step);
  if (w.microbatches > 0) out += ", " + microbatches_text(w);
  if (w.blocks == 1) out += fmt::format(", block {}", w.block);
  if (w.blocks > 1) out += fmt::format(", {} blocks", w.blocks);
  if (w.island > 0) out += fmt::format(", island {}", w.island);
  if (w.from && w.what < wait_kind::backoff) out += " from " + w.from->text();
  return out;
}

std::vector<wait> joined(std::vector<wait> waits, std::size_t most) {
  const auto by = [](auto key) {
    return [key](const wait& a, const wait& b) { return key(a) < key(b); };
  };
  const auto join = [&](auto key) {
    std::stable_sort(waits.begin(), waits.end(), by(key));
    std::vector<wait> out;
    for (const wait& w : waits)
      if (out.empty() || same_thing(out.back()) != same_thing(w) || !take(out.back(), w))
        out.push_back(w);
    waits = std::move(out);
  };
  // Runs of microbatches of each block, then blocks of the same run.
  join([](const wait& w) {
    return std::tuple(same_thing(w), w.block, w.blocks, w.microbatch, w.microbatches);
  });
  join([](const wait& w) {
    return std::tuple(same_thing(w), w.microbatch, w.microbatches, w.block, w.blocks);
  });
  if (waits.size() > most) waits.resize(most);
  return waits;
}

} // namespace troupe
