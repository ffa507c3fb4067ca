// Which nodes take part, as node 0 decides it. Each time that a node is taken in is a term of it.
// Its actors end with the term; they are started anew, by the supervisor, when it is there again.
//
// A node is lost to the job when node 0 has lost the link to it, or when another node has: then
// what was on its way between the two is gone, and one of them must begin anew.
//
// A plain state machine over the directory of node 0: what it returns is to be sent and told.
#pragma once

#include "actors/protocol/supervisor.hpp"
#include "actors/runtime/directory.hpp"

#include <cstdint>
#include <functional>
#include <map>
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
             std::function<bool(const address&)> has_state);

  struct outcome {
    std::vector<std::pair<std::uint32_t, cluster_order>> orders; // to whom, in order
    std::vector<protocol::down> deaths;                          // for the supervisor
    std::vector<std::uint32_t> sent_away;                        // nodes
  };

  outcome up(const net::node_life& who);
  outcome down(const net::node_life& who, const std::string& reason);
  outcome lost(std::uint32_t reporter, const order::lost& what);

  // Starts the next incarnation of each; those of absent nodes are reported dead once they are
  // there.
  std::vector<placement> start(const std::vector<address>& whom);
  [[nodiscard]] std::vector<std::pair<std::uint32_t, cluster_order>>
  to_all(const cluster_order& o) const; // who is there, but node 0

  [[nodiscard]] bool is_there(std::uint32_t node) const;
  [[nodiscard]] std::vector<std::uint32_t> missing() const;
  [[nodiscard]] std::string why_missing(std::uint32_t node) const; // empty: it was never there

private:
  void take_in(const net::node_life& who, outcome& out);
  void end_term(std::uint32_t node, const std::string& reason);
  [[nodiscard]] bool has_state(std::uint32_t node) const;
  [[nodiscard]] bool is_current(const member& who) const;

  directory& known_;
  const std::uint32_t nodes_;
  const std::pair<std::string, std::string> start_;
  std::function<bool(const address&)> has_state_;
  std::map<std::uint32_t, member> there_;
  std::map<std::uint32_t, std::string> ended_; // why the last term did
};

} // namespace troupe
