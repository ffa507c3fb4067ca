// A node of a job: it listens, dials, shakes hands and exchanges parcels with other nodes, each
// exactly once and in order, over ZeroMQ. docs/links.md says what is promised.
//
// A thread of its own does all of it (but for small parcels and for lent tensors, which leave on
// the thread that sends them if the other one sleeps) and calls back; callbacks must not block
// (nobody is heard meanwhile, and after a second of that the others think that this node is gone),
// and must not stop the node. All other functions may be called by any thread, callbacks included.
//
// A parcel that is handed over counts against its sender's window until its `credit` goes. Who
// hands it on keeps the credit beside it until somebody works on it, and no longer.
#pragma once

#include "net/keys.hpp"
#include "net/outbox.hpp"
#include "net/sessions.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace troupe::net {

struct dial_place {
  std::string endpoint;
  std::string server_key; // its public key; "" without encryption
};

struct node_options {
  std::uint32_t number = no_node; // none: the first node that answers gives one
  std::uint64_t life = 0;         // 0: drawn
  std::string job;                // what nodes must have in common, with the digests
  std::uint64_t wiring = 0, model = 0;
  std::vector<std::string> roles;      // that it may play: for the other nodes to read
  std::vector<std::string> listen;     // endpoints; none: it only dials
  std::vector<std::string> advertised; // where others reach it; none: where it listens
  std::vector<dial_place> dial;
  std::pair<std::uint32_t, std::uint32_t> gives{1, 0};  // numbers for nodes that have none
  bool dials_neighbours = true;                         // whom it hears of from others
  std::optional<key_pair> keys;                         // none: nothing leaves this machine
  trust_list trust;                                     // with keys: who may connect
  std::size_t queue_bytes_max = std::size_t{256} << 20; // for each peer
  std::chrono::nanoseconds give_up_after = std::chrono::milliseconds(1000);
  link_options link = link_over_connections();
  frame_limits limits;
  // Over tcp without keys, tensors are read once more at both ends, for their checksums. Off: what
  // the network changed and TCP did not notice is believed. Headers are always checked.
  bool check_payloads = true;
  // Tensors for processes of this machine and user are not sent, but read where they lie.
  bool shares_memory = true;
  std::shared_ptr<wire_faults> faults = {}; // what is made to go wrong; none: nothing
  int io_threads = 1; // of ZeroMQ: one carries about 3 GB/s, or 0.5 GB/s encrypted
};

struct node_callbacks {
  std::function<void(const node_life& from, parcel content)> on_parcel;
  std::function<void(const peer& who)> on_up;
  std::function<void(const peer_down& what)> on_down;      // once for each on_up
  std::function<void(const std::string& text)> on_refused; // somebody, here or there
  std::function<void(const node_life& who)> on_relieved;   // after sent::congested
};

struct node_report {
  node_life me;
  std::vector<link_report> links;
  std::vector<dial_report> dials;
  session_counts counts;
};

class node {
public:
  node(node_options options, node_callbacks callbacks); // throws error
  ~node();                                              // stop, within a second
  node(const node&) = delete;
  node& operator=(const node&) = delete;

  sent send(const node_life& to, lane_kind lane, parcel content);
  void dial(const dial_place& where);
  void trust(trust_list list); // who is in it no more is down, and not admitted

  // Says bye when all that was taken is acknowledged, or after `patience`. Whether it was.
  bool stop(std::chrono::nanoseconds patience);

  [[nodiscard]] const std::vector<std::string>& endpoints() const; // with their ports
  [[nodiscard]] node_report report() const;

private:
  struct state;
  std::unique_ptr<state> state_;
};

} // namespace troupe::net
