// Which nodes take part, as node 0 decides it. Each time that a node is taken in is a term of it.
// Its actors end with the term; they are started anew, by the supervisor, when it is there again.
//
// A node is lost to the job when node 0 has lost the link to it, or when another node has: then
// what was on its way between the two is gone, and one of them must begin anew.
//
// Actors wait for their node, which is their home, until somebody says that they shall not: then
// they go on elsewhere, and go home when it is there again. Those that keep parameters or residuals
// stay where they are.
//
// A plain state machine over the directory of node 0: what it returns is to be sent and told.
#pragma once

#include "actors/protocol/supervisor.hpp"
#include "actors/runtime/directory.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace troupe {

class membership {
public:
  // Where the job begins: in words to be compared, and the checkpoint. `has_state`: whether what an
  // actor knows may be lost with it.
  membership(directory& known,
             std::uint32_t nodes,
             std::pair<std::string, std::string> start,
             std::function<bool(const address&)> has_state,
             std::function<std::vector<address>(const address&)> copies_of = {});

  struct outcome {
    std::vector<std::pair<std::uint32_t, cluster_order>> orders; // to whom, in order
    std::vector<protocol::down> deaths;                          // for the supervisor
    std::vector<std::uint32_t> sent_away;                        // nodes
    std::vector<address> ends; // are ended at their next message, to be started elsewhere
  };

  outcome up(const net::node_life& who);
  outcome down(const net::node_life& who, const std::string& reason);
  outcome lost(std::uint32_t reporter, const order::lost& what);

  outcome move_from(std::uint32_t node); // that is not there: it is not waited for any more
  // Its actors go on elsewhere, and it is told to end when it has none.
  outcome drain(std::uint32_t node);

  // Starts the next incarnation of each; those of absent nodes are reported dead once they are
  // there. Of the others those go elsewhere whose copies are there.
  std::vector<placement> start(const std::vector<address>& whom);
  [[nodiscard]] std::vector<std::pair<std::uint32_t, cluster_order>>
  to_all(const cluster_order& o) const; // who is there, but node 0

  // Those that were drained and have nobody left, once.
  std::vector<std::pair<std::uint32_t, cluster_order>> emptied();

  [[nodiscard]] bool is_there(std::uint32_t node) const;
  [[nodiscard]] std::vector<std::uint32_t> missing() const;
  [[nodiscard]] std::string why_missing(std::uint32_t node) const; // empty: it was never there

private:
  void take_in(const net::node_life& who, outcome& out);
  void end_term(std::uint32_t node, const std::string& reason);
  [[nodiscard]] bool has_state(std::uint32_t node) const;
  [[nodiscard]] bool is_current(const member& who) const;
  [[nodiscard]] std::uint32_t node_for(const address& who) const;
  [[nodiscard]] bool is_home_of_keepers(std::uint32_t node) const;

  directory& known_;
  const std::uint32_t nodes_;
  const std::pair<std::string, std::string> start_;
  std::function<bool(const address&)> has_state_;
  std::function<std::vector<address>(const address&)> copies_of_;
  std::map<std::uint32_t, member> there_;
  std::map<std::uint32_t, std::uint64_t> left_; // not waited for; of one that was drained its life
  std::set<std::uint32_t> told_;                // of those that were drained
  std::map<std::uint32_t, std::string> ended_;  // why the last term did
};

} // namespace troupe
