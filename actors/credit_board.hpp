// What every edge's credit is set to, and who must hear of it: the director's.
//
// Depth concerns all layer shards of a replica. While one of them has less than its schedule keeps,
// none of them can follow its list: one would wait with a forward for a stage that waits for its
// backward. So the others are told their own depth, too, and all compute what credit and inputs
// allow (depth_credit.hpp).
#pragma once

#include "actors/credit.hpp"
#include "actors/protocol/credit.hpp"

#include <cstdint>
#include <map>
#include <vector>

namespace troupe {

class credit_board {
public:
  // `revision`: what is said has newer ones.
  explicit credit_board(const std::vector<credit_edges>& edges, std::uint64_t revision = 0);

  struct order {
    address to;
    protocol::set_credit content;
  };

  std::vector<order> set(const dial& d);
  // What `who` must know before it goes on; revision 0: nothing.
  [[nodiscard]] protocol::set_credit of(const address& who) const;

private:
  struct entry {
    credit_edges edges;
    std::uint64_t value = 0;
  };

  void begin();
  [[nodiscard]] std::uint64_t value_for(const entry& e) const;

  std::vector<entry> entries_;
  std::map<address, protocol::set_credit> said_; // since the first dial was set
  const std::uint64_t first_ = 0;
  std::uint64_t revision_ = 0;
};

} // namespace troupe
