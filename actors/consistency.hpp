// What a worker may not have seen yet when it computes a gradient.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace troupe {

enum class consistency_kind : std::uint8_t {
  synchronous,  // nothing: step t reads what steps 0 .. t - 1 made
  bounded,      // SSP: updates of workers that are at most `staleness` clocks ahead or behind
  asynchronous, // ASP: anything but its own updates
};

// With W workers, step t is clock t / W of worker t % W, and its gradient one update. Stale
// synchronous parallel: Ho et al., "More effective distributed ML via a stale synchronous parallel
// parameter server", NIPS 2013, section 2.
struct consistency {
  consistency_kind kind = consistency_kind::synchronous;
  std::uint64_t staleness = 0; // clocks; of bounded
  // Divides the learning rate of an update by the number of updates that it did not see (Zhang et
  // al., "Staleness-aware async-SGD for distributed deep learning", IJCAI 2016, section 3.2).
  bool staleness_aware = false;
  // DC-ASGD: adds lambda * g * g * (what is held - what was read) to a gradient g (Zheng et al.,
  // "Asynchronous stochastic gradient descent with delay compensation", ICML 2017, equation 10).
  float delay_compensation = 0;

  [[nodiscard]] bool as_they_come() const { return kind != consistency_kind::synchronous; }

  friend bool operator==(const consistency&, const consistency&) = default;
};

// "BSP", "ASP", "SSP(4), staleness-aware rate, delay compensation 0.04".
std::string text(const consistency& c);
// The inverse; capitals do not matter, and "ssp:4" is SSP(4). Nothing: it is no such text.
std::optional<consistency> parse_consistency(const std::string& said);

} // namespace troupe
