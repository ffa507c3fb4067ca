// One address of a simulated world: who plays it now, and what is known of it.
#pragma once

#include "actors/runtime/fault_points.hpp"
#include "actors/runtime/role.hpp"
#include "actors/runtime/simulation/event_queue.hpp"
#include "actors/runtime/simulation/letter.hpp"
#include "actors/runtime/world_observer.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace troupe::simulation {

struct seat;

inline bool takes_core(lane where) {
  return where == lane::kernels || where == lane::updates;
}

// A computation from asking for a core to its end.
struct running {
  seat* of = nullptr;
  incarnation life = 0;
  lane where = lane::kernels;
  std::uint64_t step = 0;
  std::function<void(computation&)> job;
  bool has_core = false;
  std::vector<computed_work> told; // where somebody looks on: what it does, by plan
  instant ends{0};                 // as planned
};

struct seat {
  enum class phase : std::uint8_t { down, starting, playing };
  static constexpr std::uint64_t no_step = ~std::uint64_t{0};

  // What every message touches, in one line of the cache.
  alignas(64) phase now = phase::down;
  incarnation life = 0;
  incarnation first_life = 1; // with which the job began, or began again
  std::unique_ptr<role> player;
  std::uint64_t messages = 0;
  instant heard_at{0};

  struct {
    std::uint64_t step = no_step;
    std::uint32_t kind = 0; // of the variant
    std::uint32_t from = 0;
  } last; // of the messages heard

  std::unique_ptr<fault_points> points; // null: nobody asked for them
  std::uint32_t index = 0;
  int node = 0; // that it is on, or was last

  address who;
  int home = 0; // the node that it is wired to
  std::vector<std::shared_ptr<running>> computing;
  duration busy{0};
  double slowness = 1;            // of its kernels
  std::unique_ptr<context> world; // of this life
  std::size_t death = 0;          // its last one, of the world's; from 1
  role_factory make;
  std::vector<letter> early; // came while it was starting
};

} // namespace troupe::simulation
