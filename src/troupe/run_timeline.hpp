// Who computed, heard and said what, and when, in the trace-event format that Perfetto
// (ui.perfetto.dev), speedscope and chrome://tracing open: a process for each node, two tracks for
// each actor (what it hears; what it computes), an arrow for each message. The same for live and
// for simulated runs.
//
// Trace Event Format (Nallur, Google, 2016), JSON object form; times in microseconds.
#pragma once

#include "actors/runtime/world_observer.hpp"
#include "troupe/wiring.hpp"

#include <chrono>
#include <cstddef>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <variant>

namespace troupe {

struct timeline_options {
  int steps = 20;                   // the last ones are kept
  std::size_t entries_max = 200000; // of messages and computations; then the oldest go
  int nodes = 0;                    // the wiring's nodes were dealt out over so many; 0: over all
};

// run_options::watch. Any thread.
class run_timeline final : public world_observer {
public:
  explicit run_timeline(const wiring& w, timeline_options options = {});

  void heard(const heard_message& m) override;
  void computed(const computed_work& w) override;

  [[nodiscard]] std::string json() const;
  // Compressed where the name ends in .gz. Throws error.
  void write(const std::string& path) const;

private:
  friend class timeline_text;

  using time = std::chrono::nanoseconds;

  struct message_entry {
    address from, to;
    std::size_t kind = 0; // of the variant
    std::optional<std::uint64_t> step;
    bool copy = false;
    time sent{0};
  };

  struct note { // of a life or a step, a moment
    std::optional<address> of;
    std::string text;
  };

  struct entry {
    time from{0}, until{0};
    std::variant<message_entry, computed_work, note> what;
  };

  void add(entry e);
  void note_message(const heard_message& m);

  timeline_options options_;
  std::map<address, int> nodes_;
  mutable std::mutex mutex_;  // guards what follows
  std::deque<entry> entries_; // by the time at which they were told
  std::deque<time> commits_;  // of the steps that are kept, and of the one before
};

} // namespace troupe
