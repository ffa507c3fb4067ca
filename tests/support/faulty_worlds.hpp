// Small jobs under the topologies that people use, and all fault points that their actors pass in
// two steps of the calm run: where it can be killed is a list.
#pragma once

#include "support/passed_points.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace troupe::test {

struct named_world {
  std::string name;
  drawn_world world;
};

// Two epochs of two steps, each epoch evaluated.
inline job tiny_job() {
  job out = small_job(4, 2);
  out.model = sequential(flatten{}, dense{6}, relu{}, dense{6}, relu{}, dense{10});
  out.augment = {};
  out.data = load_data("synthetic:16", 3);
  out.batch = 8;
  return out;
}

// Each layer is a block of its own, else there would be one in all.
inline named_world world_of(std::string name, const hybrid_options& options) {
  drawn_world out{.job = tiny_job(), .options = options, .evaluates = true};
  out.options.block_bytes_min = 0;
  out.cluster.model.link = {.latency = std::chrono::microseconds(200)};
  return {std::move(name), std::move(out)};
}

// Those of an asynchronous job have copies of their holders: everybody is mortal.
inline std::vector<named_world> faulty_worlds() {
  return {world_of("data-parallel", {.replicas = 2}),
          world_of("pipeline", {.stages = 3}),
          world_of("parameter-server", {.replicas = 2, .holders = 2, .holder_copies = 2}),
          world_of("asynchronous",
                   {.replicas = 2,
                    .holders = 2,
                    .holder_copies = 2,
                    .order = {.kind = consistency_kind::asynchronous}}),
          world_of("bounded",
                   {.replicas = 2,
                    .holders = 2,
                    .holder_copies = 2,
                    .order = {.kind = consistency_kind::bounded, .staleness = 1}}),
          world_of("hybrid", {.replicas = 2, .stages = 2})};
}

// From the end of the first step to that of the third, with what lies between: an evaluation.
inline std::vector<fault_point> points_of_two_steps(const drawn_world& d) {
  const auto passed = points_of(d);
  const auto at = [&](std::size_t step) {
    return passed.all.begin() + static_cast<std::ptrdiff_t>(passed.commits.at(step));
  };
  return {at(0), at(2)};
}

} // namespace troupe::test
