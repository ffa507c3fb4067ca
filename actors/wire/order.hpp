// What the worlds of the nodes of a job tell each other, beside what their actors do. Node 0
// leads: it says who is there, and who plays what.
#pragma once

#include "actors/address.hpp"
#include "actors/cluster_figures.hpp"
#include "actors/wait_graph.hpp"
#include "net/frame.hpp"
#include "ops/error.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace troupe {

// A node that takes part. `term` counts how often it was taken in; what was said about an earlier
// term of it does not concern this one.
struct member {
  std::uint32_t node = 0;
  std::uint64_t life = 0;
  std::uint32_t term = 0;
  friend bool operator==(const member&, const member&) = default;
};

// The incarnation `life` of `who` is on `node`.
struct placement {
  address who;
  incarnation life = 0;
  std::uint32_t node = 0;
  friend bool operator==(const placement&, const placement&) = default;
};

namespace order {

// From node 0, to one that is taken in: who is there, and who plays elsewhere.
struct view {
  std::vector<member> members;
  std::vector<placement> placements;
  std::string start; // where the job begins, to be compared
  std::string where; // its checkpoint, for who begins elsewhere; empty: then they do not fit
};

// From node 0: who is there now; actors that begin, each on its node.
struct place {
  std::vector<member> members;
  std::vector<placement> placements;
  bool begins = false;    // the job, or begins it again
  std::string where = {}; // then: a checkpoint; empty: as the run began
};

// From node 0: end your actors; they will be started anew.
struct leave {
  std::string reason;
};

// To node 0: the link to `other` was lost, and what was on its way. Of these terms.
struct lost {
  member other;
  std::uint32_t own_term = 0;
  std::string reason;
};

// To the node of an actor: end it at its next message.
struct kill {
  address who;
};

// To a node, or to one end of a link: that goes wrong there. In the words of actors/fault.hpp.
struct inject {
  std::string verb, object;
};

// To node 0, now and then: what its links did.
struct traffic {
  struct sample {
    std::uint32_t ordinal = 0; // of the links of this life to that node, which one
    link_figures link;
  };

  std::vector<sample> samples;
};

// From node 0: what do your actors wait for? Answered by `waits`, all of them of the same number.
struct ask {
  std::uint64_t number = 0;
};

// To node 0, in pieces.
struct waits {
  static constexpr std::size_t actors_max = 256; // of a piece

  std::uint64_t number = 0;
  std::vector<waiting_actor> actors;
  bool last = true;
};

// From node 0: the job is over; or, for a node that was drained, goes on without it.
struct over {
  std::uint64_t steps = 0, digest = 0;
  bool interrupted = false;
  bool drained = false;
  error_text failure; // empty: none
};

} // namespace order

using cluster_order = std::variant<order::view,
                                   order::place,
                                   order::leave,
                                   order::lost,
                                   order::kill,
                                   order::over,
                                   order::traffic,
                                   order::ask,
                                   order::waits,
                                   order::inject>;

bool is_order(const net::parcel& p); // else it is a message of an actor
net::parcel encode(const cluster_order& o);
cluster_order decode_order(const net::parcel& p); // throws net::malformed

} // namespace troupe
