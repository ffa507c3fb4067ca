// The fault points of one address, as its actor passes them, and the kills that are planned there.
//
// Its world says when an actor begins to handle something, when a call that it makes to its context
// has returned, and when the handler is done. Where a kill is planned that throws `killed`, through
// the role's handler like a failure of its own, so the rest of the handler does not happen; the
// world ends the incarnation. A plan is carried out once.
//
// While nothing is planned and nobody looks on, passing a point costs the reading of one flag. The
// actor passes points on one thread at a time; plan() may be called by any thread.
#pragma once

#include "actors/fault_point.hpp"
#include "actors/message.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace troupe {

struct killed : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Whether somebody who died of this (the text of `killed`) may have died at that point.
bool is_reason_of(const std::string& reason, const fault_point& where);

class fault_points {
public:
  // A message counts from now on.
  void plan(const fault_point& where);
  // Tells each point that is passed, numbered since the job began. Before the job begins.
  void watch(std::function<void(const fault_point&)> by, const address& who);

  // Null: its start. Each throws killed.
  void begins(const message* what) {
    if (in_use_.load(std::memory_order_relaxed)) note_begin(what);
  }

  void calls() {
    if (in_use_.load(std::memory_order_relaxed)) note_call();
  }

  void ends() {
    if (in_use_.load(std::memory_order_relaxed)) note_end();
  }

private:
  struct planned {
    fault_point where;
    bool here = false; // in the handler that runs
  };

  void note_begin(const message* what);
  void note_call();
  void note_end();
  void tell(std::optional<int> call) const;
  // Carries out the first of the plans for this handler that `is_due`.
  template <class Due>
  void kill_where(Due is_due, const std::string& place);

  std::mutex mutex_; // an incarnation that was given up may pass points beside its successor
  std::atomic<bool> in_use_{false};
  std::vector<planned> plans_;
  std::function<void(const fault_point&)> watcher_;
  address who_;                       // of the watched
  int messages_ = 0;                  // since the job began
  int calls_ = 0;                     // of the handler that runs
  const char* handled_ = "";          // its message
  std::optional<std::uint64_t> step_; // of that message
};

} // namespace troupe
