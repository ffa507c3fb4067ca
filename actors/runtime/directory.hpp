// Who plays what, and on which node, as one node knows it; and what becomes of a message by that.
//
// A message is for the incarnation that its sender's node knows of. What is sent to one that is not
// reached yet waits. What was on its way when its link broke is lost, and so is all that is sent
// there afterwards: the successor is told to everybody (`restarted`), and they say again what it
// needs. Therefore a message that comes before its receiver was started waits as well; and what an
// incarnation said is not heard any more where its successor is known.
//
// A plain state machine, without clock, lock or socket.
#pragma once

#include "actors/wire/message_codec.hpp"
#include "actors/wire/order.hpp"

#include <cstdint>
#include <map>
#include <vector>

namespace troupe {

class directory {
public:
  struct entry {
    incarnation life = 0; // the newest that is known; 0: none yet
    incarnation lost = 0; // up to this one they are out of reach
    std::uint32_t node = 0;
    std::uint32_t home = 0; // where the wiring has it
  };

  explicit directory(std::uint32_t here) : here_(here) {}

  void add(const address& who, std::uint32_t home); // nobody plays it yet
  void admit(const member& who);                    // it is there
  void place(const placement& p);                   // begins; older news are ignored
  // This node was taken in: all that is known from now on. Those that were here are no more.
  void view(const std::vector<member>& members, const std::vector<placement>& all);
  void leave(); // all that play here are no more

  void linked(const net::node_life& peer);
  // What was on its way is lost. Whether the node is there with that life, as far as is known here.
  bool unlinked(const net::node_life& peer);

  enum class way { goes, waits, lost };

  // Of a message of an actor here: `to_life` is set, and `to` where it goes. REQUIRES: its receiver
  // is on another node.
  way outgoing(addressed_message& m, net::node_life& to) const;
  void keep(addressed_message m);                            // that waits
  std::vector<addressed_message> released(std::uint32_t to); // that waits no more, in order

  // Whether a node may say that: its own actors speak there, and the owner of its run, who has no
  // life and may only tell the director something.
  [[nodiscard]] bool may_say(std::uint32_t node, const addressed_message& m) const;

  enum class arrival { heard, waits, stale };

  arrival incoming(const addressed_message& m) const;            // of a message for an actor here
  void keep_early(addressed_message m);                          // that waits
  std::vector<addressed_message> hear_early(const address& who); // that waits no more, in order

  [[nodiscard]] const entry& at(const address& who) const { return entries_.at(who); }

  [[nodiscard]] bool knows(const address& who) const { return entries_.contains(who); }

  [[nodiscard]] bool is_here(const address& who) const { return at(who).node == here_; }

  [[nodiscard]] member admitted(std::uint32_t node) const; // term 0: it was never there
  [[nodiscard]] std::vector<address> all() const;
  [[nodiscard]] std::vector<address> on(std::uint32_t node) const;
  [[nodiscard]] std::vector<placement> placements() const;

private:
  struct node_entry {
    member admitted;
    std::uint64_t linked = 0; // the life that a link stands to; 0: none
  };

  [[nodiscard]] const node_entry* reachable(std::uint32_t node) const;

  std::uint32_t here_;
  std::map<address, entry> entries_;
  std::map<std::uint32_t, node_entry> nodes_;
  std::map<std::uint32_t, std::vector<addressed_message>> waiting_; // by node, in order
  std::map<address, std::vector<addressed_message>> early_;
};

} // namespace troupe
