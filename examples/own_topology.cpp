// A topology of one's own: a fast replica and a slow one, which computes a quarter of each batch.
//
//   build/release/examples/own_topology
//   no mistakes
//   the same parameters: yes
#include <troupe.hpp>

#include <cstdio>

namespace {

using namespace troupe;

// A topology is a function that returns a wiring. This one changes what another one made.
wiring fast_and_slow(const job& j, std::uint32_t slow_share) {
  wiring out = data_parallel(j, {.replicas = 2, .holders = 1});
  out.name = "fast_and_slow";
  const std::uint32_t fast_share = j.microbatches - slow_share;
  for (wired_role& role : out.roles) {
    if (role.where.role != role_kind::layer_shard && role.where.role != role_kind::data_loader)
      continue;
    const bool slow = role.where.replica == 1;
    role.microbatches =
        slow ? microbatch_range{fast_share, slow_share} : microbatch_range{0, fast_share};
    if (role.where.role == role_kind::layer_shard)
      role.schedule = one_f_one_b(1, role.microbatches.count).per_stage[0];
  }
  return out;
}

} // namespace

int main() {
  const job digits{.model = sequential(flatten{}, dense{64}, relu{}, dense{10}),
                   .data = load_data("synthetic:2000", 1),
                   .batch = 64,
                   .microbatches = 4,
                   .steps = 20};

  const wiring own = fast_and_slow(digits, 1);
  for (const error_text& mistake : mistakes_of(own))
    std::printf("%s\n", error(mistake).what());
  if (mistakes_of(own).empty()) std::puts("no mistakes");

  const auto here = cluster{}.start(own).wait();
  const auto there = cluster{}.start(data_parallel(digits)).wait();
  std::printf("the same parameters: %s\n",
              here.parameter_digest == there.parameter_digest ? "yes" : "no");
}
