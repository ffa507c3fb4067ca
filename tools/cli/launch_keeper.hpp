// What keeps a launch from leaving anything behind: a process that waits for the end of this one,
// whatever ends it, then kills the process groups that are still there and removes the folder.
//
// The kernel kills the node processes themselves (node_process.hpp); the keeper is for what they
// started, and for files. Should it die first, only those are left.
#pragma once

#include <sys/types.h>

#include <string>

namespace troupe::cli {

class launch_keeper {
public:
  explicit launch_keeper(const std::string& folder); // "": none. REQUIRES: one thread
  ~launch_keeper();                                  // its work is done when this returns
  launch_keeper(const launch_keeper&) = delete;
  launch_keeper& operator=(const launch_keeper&) = delete;

  void began(pid_t group) const;
  void ended(pid_t group) const; // REQUIRES: nobody else can have its number yet

private:
  void tell(pid_t group) const;

  int line_ = -1;
  pid_t keeper_ = 0;
};

} // namespace troupe::cli
