// Plays a supervision tree: a state machine without clock, thread or actor of its own. It is told
// what happened and when, and says what to do to a `supervised_world`. It never waits: each child
// is down, starting, ready or stopping, and a restart that takes several steps goes on with what
// happens next.
//
// A death that is told twice counts once. Members of a restart are stopped one after the other, the
// last one first, and started in order, each when those before it are ready. A restart that meets
// another one of the same children becomes one with it.
//
// What a tree does not bear is given up, with a reason: a failure that repeats on the same input
// (it would come a third time), a child whose state nobody has, a budget that is spent.
#pragma once

#include "actors/address.hpp"
#include "actors/supervision/failure_window.hpp"
#include "actors/supervision/supervision_tree.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace troupe {

// Place of a child in its tree, in the order of the text, from 1; 0 is the root.
using child_number = std::uint32_t;

// How an incarnation ended.
struct child_end {
  enum class kind : std::uint8_t { by_itself, killed, failed };

  kind how = kind::failed;
  std::string reason = {};
  std::string input = {}; // that it was handling; empty: not known
};

struct child_restart {
  child_number who = 0;
  incarnation life = 0; // the new one
  std::string reason;   // why the old one ended
  std::chrono::nanoseconds died{0};
};

// Called from within the machine's functions; must not call these back.
class supervised_world {
public:
  virtual ~supervised_world() = default;
  virtual incarnation start(child_number who) = 0; // the next incarnation
  virtual void stop(child_number who) = 0;         // asks it to end
  virtual void kill(child_number who) = 0;         // it is not waited for much longer
  virtual void restarted(const child_restart& r) = 0;
  virtual void give_up(const error_text& why) = 0;
};

class supervision {
public:
  using time_point = std::chrono::nanoseconds;

  // REQUIRES: the tree has no mistakes. The world outlives this.
  supervision(supervision_tree tree, supervised_world& world);
  supervision(const supervision&) = delete;
  supervision& operator=(const supervision&) = delete;

  [[nodiscard]] std::optional<child_number> find(const std::string& id) const;

  // REQUIRES: not the root.
  [[nodiscard]] const child_spec& spec(child_number who) const { return *children_[who].spec; }

  void begin(time_point now); // starts all, in order
  void adopt();               // all play already

  void down(child_number who, incarnation life, const child_end& end, time_point now);
  void ready(child_number who, incarnation life, time_point now);
  void time(time_point now); // something is due
  void stop(time_point now); // all, in reverse order, for good

  // What a predecessor was told: of a death at `when`, whose `successor` is there; 0: it is not.
  void past_down(child_number who,
                 incarnation life,
                 const child_end& end,
                 time_point when,
                 incarnation successor,
                 time_point now);

  // When time() must be called next; nothing: something must happen first.
  [[nodiscard]] std::optional<time_point> due() const;

  // Who is down and will be started again, and not before when.
  [[nodiscard]] std::vector<std::pair<child_number, time_point>> put_off() const;

  [[nodiscard]] bool is_settled() const { return restarts_.empty(); } // nobody starts or stops

private:
  enum class phase : std::uint8_t { down, starting, ready, stopping, gone };

  struct child {
    const child_spec* spec = nullptr;            // null: the root
    const supervisor_spec* supervises = nullptr; // null: an actor
    child_number parent = 0, end = 0;            // its subtree lies before `end`
    phase now = phase::down;
    bool doomed = false; // must end before it is started again
    bool killed = false; // its time to stop is over
    incarnation life = 0, ended = 0;
    time_point deadline{0}; // of starting or stopping
  };

  // Of a child that has died.
  struct history {
    int in_a_row = 0;
    int same = 0; // failures in a row on the same input, with the same words
    child_end last;
    time_point died{0}, started{0};
    failure_window window;
  };

  struct restart {
    std::vector<child_number> members; // actors, in order
    time_point not_before{0};
    bool for_good = false; // they stop, and stay so
  };

  void add(const child_spec* spec, const supervisor_spec* supervises, child_number parent);
  void note_failure(child_number who, time_point when);
  [[nodiscard]] bool lives(child_number who) const;
  history& note_death(child_number who, const child_end& end, time_point when);
  void judge(child_number who, const child_end& end, time_point when, time_point now);
  std::optional<restart> verdict(child_number who, const child_end& end, time_point when);
  std::string unit_of_restart(child_number& unit, time_point when);
  void forget_failures(child_number supervisor);
  [[nodiscard]] std::vector<child_number> members_of(child_number unit) const;
  [[nodiscard]] std::chrono::nanoseconds backoff(child_number unit) const;
  void join(restart r, time_point now);
  void proceed(time_point now);
  bool is_done(const restart& r, time_point now);
  bool is_stopped(const restart& r, time_point now);
  void start(child_number who, time_point now);
  void pass_deadline(child_number who, time_point now);
  std::optional<restart> give_up(child_number who, const std::string& why); // nothing

  const supervision_tree tree_;
  supervised_world& world_;
  std::vector<child> children_;
  std::map<std::string, child_number> by_id_;
  std::map<child_number, history> histories_;
  std::map<child_number, failure_window> windows_; // of supervisors: all their children
  failure_window spent_;                           // of the tree's budget
  std::vector<restart> restarts_;
  bool stopping_ = false;
};

} // namespace troupe
