// Who supervises whom, and what follows a death: a value that can be printed, checked, drawn and
// edited. After Erlang/OTP's supervisors, with what these lack: back-off, one budget for the whole
// tree, groups by key, and where a child's state comes from.
//
// A child is an actor, or a supervisor with children of its own. Children are started in the order
// of the tree and stopped in the reverse one.
#pragma once

#include "ops/error.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace troupe {

enum class restart_kind : std::uint8_t {
  permanent, // whatever ended it
  transient, // unless it ended by itself, without an error
  temporary, // never
};

// What a new incarnation begins with.
enum class state_source : std::uint8_t {
  none,       // it needs none
  peers,      // others say again what it needs
  replica,    // another actor has a copy
  checkpoint, // a file has it
  itself,     // nobody else has it: it cannot be restarted
};

// Who is restarted with a child that died.
enum class strategy_kind : std::uint8_t {
  one_for_one,  // nobody
  rest_for_one, // the children after it
  one_for_all,  // all children
  group_by_key, // the children of the same group
};

struct supervisor_spec;

struct child_spec {
  std::string id; // of an actor: its address
  restart_kind restart = restart_kind::permanent;
  state_source state = state_source::none;
  std::string group = {};                     // for group_by_key; empty: alone
  std::chrono::milliseconds start_within{0};  // until it says that it is ready; 0: it is at once
  std::chrono::milliseconds stop_within{500}; // then it is killed
  // An actor that has begun something and gets no further for so long, and for three times as long
  // as it is known to take, is killed. 0: it is not watched.
  std::chrono::milliseconds progress_within{2'000};
  std::shared_ptr<const supervisor_spec> below = {}; // null: an actor
};

// So many failures are borne within a time that slides. Kills on purpose are no failures.
struct restart_intensity {
  int failures = 10;
  std::chrono::milliseconds window{60'000};
};

// The first restarts are at once; where a child fails again soon after one, the next is later and
// later, until it has lived for a while. Who is killed on purpose is restarted at once.
struct restart_backoff {
  int at_once = 1;
  std::chrono::milliseconds first{5};
  std::chrono::milliseconds most{10'000};
  std::chrono::milliseconds quiet{1'000}; // a child that has lived for so long is forgiven
  double jitter = 0.25;                   // of the delay, so much less at most
  // More failures one after the other, whatever was restarted with it, are not borne: so slow a
  // storm would spend no window.
  int in_a_row_max = 14;
};

struct supervisor_spec {
  strategy_kind strategy = strategy_kind::one_for_one;
  restart_intensity of_each = {};              // child
  restart_intensity of_all = {.failures = 30}; // children together
  restart_backoff backoff = {};
  std::vector<child_spec> children = {};
};

struct supervision_tree {
  supervisor_spec root;
  // Of all actors together: budgets of supervisors that are restarted do not multiply.
  restart_intensity budget = {.failures = 100};
  std::uint64_t seed = 1; // of the jitter

  [[nodiscard]] std::string text() const; // a line for each child
};

// A child that is a supervisor.
child_spec supervisor_of(std::string id, supervisor_spec spec);

// Everything that keeps a tree from being played; empty when it can.
std::vector<error_text> mistakes_of(const supervision_tree& t);

// The actors of the tree, in order.
std::vector<const child_spec*> actors_of(const supervision_tree& t);

// Pictures: a box for each supervisor and actor, an arrow from who supervises.
std::string dot(const supervision_tree& t);     // Graphviz
std::string mermaid(const supervision_tree& t); // for Markdown pages

std::string text(const restart_intensity& i); // "10 failures in 60 s"
const char* word_of(restart_kind kind);
const char* word_of(state_source source);
const char* word_of(strategy_kind strategy);

} // namespace troupe
