// The processes of peers on this machine. The kernel knows at once when one of them ends, however
// it ends; connections only know that they broke.
#pragma once

#include "net/introduction.hpp"
#include "net/poll_set.hpp"

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

namespace troupe::net {

// Of this process; machine 0 where it cannot be told from others.
process_name this_process();

class process_watch {
public:
  process_watch() = default;
  ~process_watch();
  process_watch(const process_watch&) = delete;
  process_watch& operator=(const process_watch&) = delete;

  void add(const node_life& who, const process_name& plays_in); // elsewhere: nothing to watch
  void remove(const node_life& who);

  [[nodiscard]] int descriptor() const { return all_.descriptor(); } // readable when one ended

  std::vector<node_life> ended(); // each once

private:
  poll_set all_;
  std::map<int, node_life> watched_; // by descriptor
  std::vector<node_life> gone_;      // before they could be watched
};

} // namespace troupe::net
