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

  // Where a process that leads a group says so, before it does anything else (start_process).
  [[nodiscard]] int line() const { return line_; }

  void ended(pid_t group) const; // REQUIRES: nobody else can have its number yet

private:
  int line_ = -1;
  pid_t keeper_ = 0;
};

// The group is there; of -group: it has ended. May be called between fork and exec. A keeper that
// was killed does not hear it.
void tell_keeper(int line, pid_t group);

} // namespace troupe::cli
