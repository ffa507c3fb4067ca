// The topologies that are a hybrid with less to choose.
#include "troupe/topology.hpp"

#include <utility>

namespace troupe {

namespace {

hybrid_options grid_of(const data_parallel_options& o) {
  return {.replicas = o.replicas,
          .holders = o.holders,
          .holder_copies = o.holder_copies,
          .groups = o.groups,
          .balance_shares = o.balance_shares,
          .backups = o.backups};
}

} // namespace

wiring data_parallel(job j, const data_parallel_options& o) {
  return hybrid(std::move(j), grid_of(o));
}

std::vector<error_text> mistakes_of(const job& j, const data_parallel_options& o) {
  return mistakes_of(j, grid_of(o));
}

wiring parameter_server(job j, const parameter_server_options& o) {
  return hybrid(std::move(j),
                {.replicas = o.workers,
                 .stages = o.stages,
                 .holders = o.servers,
                 .holder_copies = o.holder_copies,
                 .balance_shares = o.balance_shares,
                 .backups = o.backups,
                 .schedule = o.schedule,
                 .block_bytes_max = o.block_bytes_max,
                 .order = o.order});
}

wiring pipeline(job j, const pipeline_options& o) {
  return hybrid(std::move(j),
                {.stages = o.stages,
                 .holder_copies = o.holder_copies,
                 .schedule = o.schedule,
                 .own_schedule = o.own_schedule,
                 .chunks = o.chunks,
                 .cut = o.cut,
                 .recompute = o.recompute,
                 .stash_weights = o.stash_weights});
}

} // namespace troupe
