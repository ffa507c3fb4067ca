#include "actors/wire/lane.hpp"

namespace troupe {

namespace {

bool sends_tensors(role_kind from, role_kind to) {
  using enum role_kind;
  switch (from) {
  case data_loader:
    return to == layer_shard;
  case layer_shard:
    return to == layer_shard || to == gradient_aggregator || to == residual_keeper;
  case gradient_aggregator:
    return to == gradient_aggregator || to == parameter_holder;
  case parameter_holder:
    return to != director && to != recorder;
  case residual_keeper:
    return to == layer_shard || to == checkpointer;
  case checkpointer:
    return to == director;
  case director:
    return to == recorder; // the result
  case supervisor:
  case evaluator:
  case recorder:
    return false;
  }
  return false;
}

} // namespace

net::lane_kind lane_of(role_kind from, role_kind to) {
  return sends_tensors(from, to) ? net::lane_kind::bulk : net::lane_kind::small;
}

} // namespace troupe
