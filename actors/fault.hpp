// What goes wrong on purpose, and what repairs it: one thing that happens at one moment, as a value
// with a text of its own. Nodes are those of the cluster; a job in one process is node 0. When it
// happens is said elsewhere: by a time of a simulation, or by an injected_fault.
#pragma once

#include "actors/address.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace troupe {

struct kill_fault {
  address who;
};

struct kill_any_fault {}; // of an actor that is drawn, when it happens: it becomes a kill_fault

struct kill_node_fault { // all of its actors at once; the node stays
  int node = 0;
};

// It goes, and its actors are restarted on the node of those present that has the fewest.
struct leave_fault {
  int node = 0;
};

// It comes, and the actors that are wired to it are restarted there. A node whose first event this
// is was not there before.
struct join_fault {
  int node = 0;
};

// Nothing is heard on it; what it has sent still arrives. (Simulated: nor computed or timed.)
struct pause_fault {
  int node = 0;
};

struct resume_fault {
  int node = 0;
};

struct slow_fault { // for what begins from now on; 1: its own speed
  int node = 0;
  double factor = 1;
};

struct slow_actor_fault { // its kernels, likewise
  address who;
  double factor = 1;
};

struct cut_fault { // one direction: what is sent waits until it heals, or is lost with the link
  int from = 0, to = 0;
};

struct heal_fault {
  int from = 0, to = 0;
};

enum class whole : std::uint8_t { node, rack };

struct isolate_fault { // all links between it and the rest, both ways
  whole what = whole::node;
  int number = 0;
};

struct reconnect_fault { // what isolate_fault cut; links that were cut by themselves stay so
  whole what = whole::node;
  int number = 0;
};

// The next so many frames of one direction of a link do not arrive. The link notices, and sends
// them again: what an actor is told is that, or that the node is lost, and never a gap.
struct drop_fault {
  int from = 0, to = 0;
  int count = 1;
};

struct corrupt_fault { // they arrive with a wrong byte: their checksums do not agree
  int from = 0, to = 0;
  int count = 1;
};

struct fill_disk_fault { // what is written on it fails: no space left
  int node = 0;
};

struct empty_disk_fault {
  int node = 0;
};

using fault = std::variant<kill_fault,
                           kill_any_fault,
                           kill_node_fault,
                           leave_fault,
                           join_fault,
                           pause_fault,
                           resume_fault,
                           slow_fault,
                           slow_actor_fault,
                           cut_fault,
                           heal_fault,
                           isolate_fault,
                           reconnect_fault,
                           drop_fault,
                           corrupt_fault,
                           fill_disk_fault,
                           empty_disk_fault>;

// A verb and what it happens to: "kill layer_shard/1/0", "slow 0 x3", "drop 0->1 x2".
struct fault_words {
  std::string verb, object;
};

fault_words words_of(const fault& f);
std::string text(const fault& f);
std::string no_such_node(int node, int nodes); // why not; empty: 0 to nodes - 1, it is there

std::optional<fault> repair_of(const fault& f); // resume of pause, x1 of slow ...; none: of a kill

// In the order in which they are told.
const std::vector<std::string>& fault_verbs();

// What the words say: several where the object is "0-1", both directions. Throws error at `where`:
// no such verb or role, or nothing that the verb happens to.
std::vector<fault>
parse_faults(const std::string& verb, const std::string& object, const std::string& where);

// "0->1" or "0-1": one way or both. False: neither.
bool parse_ends(const std::string& text, std::vector<std::pair<int, int>>& ends);

} // namespace troupe
