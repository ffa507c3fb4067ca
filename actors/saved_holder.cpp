// A parameter holder whose state is saved while it goes on: a version that is to be saved is kept
// as it is when it is published, until its shard is written.
#include "actors/parameter_holder.hpp"

#include <fmt/format.h>

#include <string>
#include <utility>

namespace troupe {

// The outer parameters change with rounds alone.
std::uint64_t parameter_holder::version_at(std::uint64_t steps) const {
  return options_.island > 0 ? steps : options_.rounds.begin_of(steps);
}

// Whether what is published as `version` is saved after `steps` steps or more.
bool parameter_holder::is_saved_from(std::uint64_t version, std::uint64_t steps) const {
  const auto every = options_.save_every;
  if (every == 0 || options_.order.as_they_come() || !copies_.is_head()) return false;
  const auto due = (steps + every - 1) / every * every;
  return version_at(due) == version;
}

void parameter_holder::keep_if_saved(holder_block& block) {
  if (is_saved_from(block.version, block.version))
    block.snapshots[block.version] = snapshot_of(block);
  if (shard_.is_wanted()) write_shard();
}

void parameter_holder::on(const protocol::want_shard& m) {
  shard_.hear(m);
  if (shard_.is_wanted()) write_shard();
}

// What is saved where the job has paused was not known before: it is what is newest.
void parameter_holder::write_shard() {
  const auto wanted = version_at(shard_.version());
  for (const auto& [index, block] : blocks_)
    if (block.version < wanted) return; // its successor has it soon
  for (auto& [index, block] : blocks_) {
    if (block.snapshots.contains(wanted)) continue;
    if (block.version != wanted || block.update)
      return shard_.decline(fmt::format(
          "{} was restarted, and is at step {} already", world_.self().text(), block.version));
    block.snapshots[wanted] = snapshot_of(block);
  }
  if (blocks_.empty()) return shard_.have_nothing();
  shard_.write(content_of(wanted));
}

shard_content parameter_holder::content_of(std::uint64_t version) {
  const auto of_island = options_.island > 0 ? fmt::format("island.{}.", options_.island) : "";
  const auto count = options_.layout->blocks.size();
  shard_content out{.step = shard_.version(), .states = {}};
  const auto state = [&](const std::string& prefix, bool statistics) -> std::vector<tensor>& {
    for (auto& s : out.states)
      if (s.prefix.text == prefix) return s.blocks;
    out.states.push_back({.prefix = {prefix, statistics}, .blocks = std::vector<tensor>(count)});
    return out.states.back().blocks;
  };
  const bool outer_ones = // those of an island that begins a round
      options_.island > 0 && options_.rounds.begin_of(version) == version;
  for (const auto& [index, block] : blocks_) {
    const auto b = static_cast<std::size_t>(index);
    const auto& s = block.snapshots.at(version);
    if (!outer_ones) state(of_island, true)[b] = s.parameters;
    for (std::size_t k = 0; k < s.slots.size(); ++k)
      state(fmt::format("{}optimizer.{}.", of_island, k), false)[b] = s.slots[k];
    if (s.residual) state(fmt::format("residual.{}.", options_.island - 1), false)[b] = s.residual;
  }
  return out;
}

// The outer parameters of a round may be saved once more.
void parameter_holder::on(const protocol::shard_done& m) {
  if (!shard_.hear(m)) return;
  const auto saved = version_at(shard_.version());
  const bool again = is_saved_from(saved, shard_.version() + 1);
  for (auto& [index, block] : blocks_)
    std::erase_if(block.snapshots,
                  [&](const auto& s) { return s.first < saved || (s.first == saved && !again); });
}

// The job has ended. A late copy of the question finds another version, of which nothing is wanted.
void parameter_holder::on(const protocol::want_state& m) {
  for (const auto& [index, block] : blocks_)
    if (block.version == version_at(m.version))
      world_.send(
          m.reply_to,
          protocol::state{m.request, block.version, index, block.versions.at(block.version)});
}

} // namespace troupe
