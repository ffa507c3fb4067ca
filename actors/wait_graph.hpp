// Who waits for whom in a job, at one moment: actors, what each of them waits for, and who is to
// blame. `run::why()` makes one; so does a simulation in which nobody can go on.
//
// The blame is found by following the waits, from the director on, to those who could go on and do
// not: they are down, do not come back from a handler, compute for long, are on a node or behind a
// link that is gone. Actors that wait for each other in a circle, and for nothing that is on its
// way, will wait for ever: that is a deadlock.
#pragma once

#include "actors/wait.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace troupe {

enum class actor_state : std::uint8_t {
  alive, // and waits for something, or has nothing to do
  computing,
  handling, // a message, and does not come back from it
  unasked,  // it could not be asked: no thread was free
  starting,
  down,
};

struct waiting_actor {
  address who;
  incarnation life = 0;
  std::uint32_t node = 0;
  actor_state state = actor_state::alive;
  // For how long it has not got further; empty: not known.
  std::optional<std::chrono::nanoseconds> quiet;
  std::chrono::nanoseconds remaining{0}; // of what it computes, where that is known: simulated
  std::uint64_t unheard = 0;             // messages that have come, and wait for it
  std::string last;                      // what it heard last; empty: not known
  std::vector<wait> waits;
};

enum class node_state : std::uint8_t { there, paused, silent, missing };

struct waiting_node {
  std::uint32_t node = 0;
  node_state state = node_state::there;
  std::string why; // may be empty
};

// Messages between two actors, sent and not heard yet, where that is known.
struct mail_on_its_way {
  address from, to;
  std::uint64_t messages = 0;
  std::chrono::nanoseconds age{0}; // of the oldest
  std::uint32_t from_node = 0, to_node = 0;
  bool cut = false; // the link that they need is
};

struct wait_graph {
  std::vector<waiting_actor> actors; // by address
  std::vector<waiting_node> nodes;   // those that are not simply there
  std::vector<mail_on_its_way> mail; // by sender and receiver
  std::vector<std::pair<std::uint32_t, std::uint32_t>> cut_links;
  bool knows_mail = false; // all of it
  bool knows_all = true;   // false: of the actors of this node alone
  bool over = false;       // the job has ended

  [[nodiscard]] const waiting_actor* find(const address& who) const;  // null: not known
  [[nodiscard]] const waiting_node* node(std::uint32_t number) const; // null: simply there
};

enum class blame : std::uint8_t {
  cut_link,
  missing_node,
  silent_node,
  paused_node,
  down,
  stuck,  // in a handler
  circle, // a deadlock
  computing,
  on_its_way, // a message is
  starting,
  idle, // it has nothing to do, and was told nothing
};

const char* blame_name(blame b); // "paused_node"
const char* state_name(actor_state s);
const char* state_name(node_state s);

// One of those who wait, and for what, on the way from the director to who is to blame.
struct wait_step {
  address who;
  wait what;
};

struct suspect {
  blame why = blame::idle;
  address who;                      // of a link: who waits for what comes over it
  std::uint32_t node = 0;           // where it is; of a link: from
  std::uint32_t to_node = 0;        // of a link
  std::vector<address> circle = {}; // each waits for the next, the last for the first
  std::vector<wait_step> path = {}; // to it
  std::optional<std::chrono::nanoseconds> since = {}; // for so long
  std::string text = {};                              // "node 2 is paused"
};

struct wait_verdict {
  std::vector<suspect> suspects;      // the worst first; empty: nobody waits
  std::uint64_t step = wait::no_step; // that is not committed
  std::uint64_t waiting = 0;          // actors that wait for somebody

  // What keeps the job from going on, and not only for a moment.
  [[nodiscard]] bool is_held_up() const;
};

wait_verdict verdict_of(const wait_graph& g);

// The story for people, of at most so many lines.
std::string text(const wait_graph& g, std::size_t lines_max = 40);
std::string graphviz(const wait_graph& g, std::size_t actors_max = 300);
// Of whom it is said in one line: "for the gradients of step 3 from layer_shard/1, node 2 is
// paused".
std::string headline(const wait_verdict& v);

} // namespace troupe
