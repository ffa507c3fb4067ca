// What threads give to the thread of a node: parcels, within a bound for each peer. Nobody waits.
#pragma once

#include "net/sessions.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <vector>

namespace troupe::net {

enum class sent {
  taken,     // arrives once and in order, or its peer goes down
  congested, // not taken: the peer has too much to acknowledge; on_relieved says when to go on
  not_up,    // not taken: that life of that node is not up
};

struct posted {
  node_life to;
  lane_kind lane = lane_kind::small;
  parcel content;
};

class outbox {
public:
  explicit outbox(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  struct hints {
    bool was_empty = false; // the thread of the node may sleep
    bool borrows = false;   // who it is for reads tensors where they lie
  };

  sent put(const node_life& to, lane_kind lane, parcel content, hints& out);

  std::vector<posted> take();

  void up(const node_life& who);
  void down(const node_life& who);
  void close(); // nobody is up any more

  // What the links still keep, all that was taken included; who has room again.
  std::vector<node_life> keep(const std::vector<link_report>& links);

private:
  struct account {
    std::uint64_t life = 0;
    std::size_t boxed = 0, kept = 0; // bytes
    bool congested = false;
    bool borrows = false;
  };

  std::size_t bytes_max_;
  std::mutex mutex_;
  bool closed_ = false;
  std::map<std::uint32_t, account> accounts_; // by node
  std::vector<posted> box_;
};

} // namespace troupe::net
