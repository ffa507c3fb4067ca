#include "actors/program_pool.hpp"

namespace troupe {

std::shared_ptr<program> program_pool::take() {
  std::unique_ptr<program> taken;
  {
    // Held while compiling: concurrent creation of primitives is slower than one after the other.
    const std::lock_guard lock(mutex_);
    if (free_.empty()) {
      taken = make_();
    } else {
      taken = std::move(free_.back());
      free_.pop_back();
    }
  }
  return {taken.release(), [home = shared_from_this()](program* p) {
            const std::lock_guard lock(home->mutex_);
            home->free_.emplace_back(p);
          }};
}

} // namespace troupe
