// A mutex of who talks to actors while it is held. Under ThreadSanitizer, which does not see how
// CAF orders what two threads do to an actor, it is the one that all who talk to actors hold (see
// scheduler::run_actor), so that no two are taken in two orders.
#pragma once

#include <mutex>

namespace troupe {

#if defined(__SANITIZE_THREAD__)
std::recursive_mutex& order_of_talk();

class talk_mutex {
public:
  void lock() { order_of_talk().lock(); }

  void unlock() { order_of_talk().unlock(); }
};
#else
using talk_mutex = std::mutex;
#endif

} // namespace troupe
