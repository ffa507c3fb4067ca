// One address of a simulated world: who plays it now, and what is known of it.
#pragma once

#include "actors/runtime/role.hpp"
#include "actors/runtime/simulation/event_queue.hpp"
#include "actors/runtime/world.hpp"
#include "actors/runtime/world_observer.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace troupe::simulation {

// A computation from asking for a core to its end.
struct running {
  incarnation life = 0;
  lane where = lane::kernels;
  std::uint64_t step = 0;
  std::function<void(computation&)> job;
  bool has_core = false;
  std::vector<computed_work> told; // where somebody looks on: what it does, by plan
  instant ends{0};                 // as planned
};

struct envelope {
  std::uint32_t from = 0, to = 0; // seats
  incarnation to_life = 0;        // 0: whoever plays the role
  int to_node = 0;
  message content;
  instant sent{0};
};

struct seat {
  enum class phase { down, starting, playing };

  // What every message touches.
  phase now = phase::down;
  incarnation life = 0;
  std::unique_ptr<role> player;
  std::uint64_t messages = 0;
  instant heard_at{0};
  address who;
  int home = 0; // the node that it is wired to
  int node = 0; // that it is on, or was last

  struct {
    std::uint32_t kind = 0; // of the variant
    std::uint32_t from = 0;
    std::optional<std::uint64_t> step;
  } last; // of the messages heard

  std::vector<kill_plan> kills; // done ones are removed
  std::uint32_t index = 0;
  std::unique_ptr<context> world; // of this life
  std::vector<std::shared_ptr<running>> computing;
  duration busy{0};
  std::size_t death = 0; // its last one, of the world's; from 1
  double slowness = 1;   // of its kernels
  role_factory make;
  std::vector<envelope> early; // came while it was starting
};

} // namespace troupe::simulation
