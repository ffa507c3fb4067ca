// The rolling hash of everything that is heard in a simulated world: two runs with the same hash
// were the same run, event by event.
#pragma once

#include "actors/runtime/simulation/model.hpp"

#include <array>
#include <cstdint>
#include <variant>

namespace troupe::simulation {

class trace {
public:
  void note(const heard_message& m);

  [[nodiscard]] std::uint64_t hash() const { return hash_; }

  [[nodiscard]] std::uint64_t events() const { return events_; }

private:
  void fold(std::uint64_t number);

  std::uint64_t hash_ = 0;
  std::uint64_t events_ = 0;
  std::array<std::uint64_t, std::variant_size_v<message>> name_hashes_{}; // by kind
};

} // namespace troupe::simulation
