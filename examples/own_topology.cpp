// A topology that the library does not know: two replicas of different shapes. One node computes
// the whole model; three small ones are a pipeline, and get three quarters of the microbatches.
//   build/release/examples/own_topology
// prints the wiring and "the bits of data_parallel".
#include <troupe.hpp>

#include <algorithm>
#include <cstdio>

namespace {

using namespace troupe;

// A wiring is a value: start from one that is near, and edit it.
wiring one_beside_three(const job& j) {
  wiring out = hybrid(j, {.replicas = 2, .stages = 3, .holders = 1});
  out.name = "one whole model beside a pipeline of three stages";
  const auto quarter = j.microbatches / 4;
  const address whole{.role = role_kind::layer_shard, .replica = 0};
  const auto gone = [](const address& a) { // what the two nodes less would do
    return (a.role == role_kind::layer_shard && a.replica == 0 && a.stage > 0) ||
           (a.role == role_kind::evaluator && a.replica >= 4);
  };
  std::erase_if(out.roles, [&](const wired_role& r) { return gone(r.where); });
  for (wired_role& r : out.roles) {
    std::erase_if(r.talks_to, gone);
    const bool shard = r.where.role == role_kind::layer_shard;
    if (!shard && r.where.role != role_kind::data_loader) continue;
    const bool first = r.where.replica == 0;
    r.node -= first ? 0 : 2;
    r.microbatches = first ? microbatch_range{0, quarter} : microbatch_range{quarter, 3 * quarter};
    if (r.where == whole) {
      r.parts = {0, 1, 2}; // all of them, one microbatch after the other
      r.schedule = interleaved(1, 3, quarter).per_stage[0];
    } else if (shard) {
      r.schedule = one_f_one_b(3, 3 * quarter).per_stage[r.where.stage];
    }
  }
  return out;
}

} // namespace

int main() {
  const job shapes{.model = cnn(),
                   .data = load_data("synthetic:512", 1),
                   .learning_rate = {.base = 0.02F},
                   .batch = 64,
                   .microbatches = 8,
                   .steps = 5};
  const wiring own = one_beside_three(shapes);
  std::printf("%s", own.text().c_str());
  const auto mine = cluster{}.start(own, {.evaluate = false}).wait();
  const auto known = cluster{}.start(data_parallel(shapes), {.evaluate = false}).wait();
  std::printf("digest %016llx, %016llx: %s\n",
              static_cast<unsigned long long>(mine.parameter_digest),
              static_cast<unsigned long long>(known.parameter_digest),
              mine.parameter_digest == known.parameter_digest ? "the bits of data_parallel"
                                                              : "OTHER BITS");
}
