// What a layer shard's codec leaves out of a gradient goes into the next step's. The shard and its
// keeper have it both, each for the other's next incarnation.
#include "actors/layer_shard.hpp"

namespace troupe {

bool layer_shard::has_residuals(std::uint64_t step) const {
  if (residuals_of_step_ == 0) return true;
  const auto found = residuals_.find(step);
  return found != residuals_.end() && found->second.size() == residuals_of_step_;
}

void layer_shard::on(const protocol::residual& m) {
  if (begun_ && m.step < step_) return;
  residuals_[m.step][{m.block, m.first_microbatch}] = m.value;
  act();
}

void layer_shard::on(const protocol::residual_ready& m) {
  auto next = m.value; // what this step left out belongs to the next one
  next.step += options_.every;
  residuals_[next.step][{next.block, next.first_microbatch}] = next.value;
  world_.send(place_.keeper, next);
}

void layer_shard::send_residuals(std::uint64_t step) {
  for (const auto& [key, value] : residuals_.at(step))
    world_.send(place_.keeper, protocol::residual{step, key.first, key.second, value});
}

// The keeper was restarted. Who lacks some as well (it is new, or was overtaken while it computed
// again what they come of) asks in turn: then they are lost.
void layer_shard::on(const protocol::want_residuals& m) {
  if (residuals_.contains(m.step)) send_residuals(m.step);
  if (has_residuals(m.step) || (begun_ && m.step != step_)) return; // or asked long ago
  world_.send(place_.keeper, protocol::want_residuals{world_.self(), m.step});
}

} // namespace troupe
