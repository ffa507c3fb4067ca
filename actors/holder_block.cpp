#include "actors/holder_block.hpp"

#include <algorithm>
#include <utility>

namespace troupe {

namespace {

// As after the last step of a round: the update is done but for the outer parameters.
void await_outer(holder_block& block) {
  const auto& sent = block.outer->sent;
  block.updating = {.step = sent.step, .block = sent.block, .island = sent.span.first + 1};
  block.update = std::make_shared<block_update>();
  block.update->block = block.rule;
  block.update->round_start = block.outer->round_start;
}

} // namespace

tensor outer_step::freeze_residual() {
  if (residual) frozen_residual = std::move(residual).freeze();
  return frozen_residual;
}

tensor outer_step::thaw_residual() {
  if (frozen_residual) residual = buffer_pool::global().take(frozen_residual.dims());
  return std::exchange(frozen_residual, {});
}

void outer_step::copy_residual(const tensor& from) {
  std::copy_n(from.data(), from.elements(), residual.data());
}

block_snapshot snapshot_of(const holder_block& block) {
  block_snapshot out{block.versions.at(block.version), block.rule->freeze(), {}};
  if (block.outer) out.residual = block.outer->freeze_residual();
  return out;
}

protocol::block_copy copy_of(const holder_block& block) {
  protocol::block_copy out{.version = block.version,
                           .versions = {},
                           .slots = {},
                           .at_rest = block.rule->at_rest,
                           .digests = block.rule->digests,
                           .clocks = block.clocks.applied(),
                           .reads = {},
                           .told = {},
                           .round_start = {},
                           .residual = {},
                           .sent = {}};
  auto versions = block.versions;
  for (const auto& [step, read] : block.reads) {
    out.reads.push_back({step, read.version, read.lead, read.lead_bound});
    versions.emplace(read.version, read.parameters);
  }
  for (const auto& [version, parameters] : versions)
    out.versions.push_back({version, parameters});
  out.slots = block.rule->freeze();
  for (const auto& [version, done] : block.told)
    out.told.push_back(done);
  if (!block.outer) return out;
  if (block.outer->round_start.data() != block.versions.at(block.version).data())
    out.round_start = block.outer->round_start;
  out.residual = block.outer->freeze_residual();
  out.sent = block.outer->sent;
  return out;
}

void take_over(holder_block& block, const protocol::block_copy& copy) {
  block.version = copy.version;
  block.versions.clear();
  for (const auto& v : copy.versions)
    block.versions[v.version] = v.parameters;
  block.rule->slots.clear();
  block.rule->frozen = copy.slots;
  block.rule->at_rest = copy.at_rest;
  block.rule->digests = copy.digests;
  block.update = nullptr;
  block.parts_left = 0;
  block.clocks.restore(copy.clocks);
  block.reads.clear();
  for (const auto& r : copy.reads)
    block.reads[r.step] = {r.version, r.lead, r.lead_bound, block.versions.at(r.version)};
  block.told.clear();
  for (const auto& done : copy.told)
    block.told[done.version] = done;
  block.entries.clear();
  block.snapshots.clear();
  if (!block.outer) return;
  auto& outer = *block.outer;
  outer.round_start = copy.round_start ? copy.round_start : block.versions.at(block.version);
  outer.residual = {};
  outer.frozen_residual = copy.residual;
  outer.sent = copy.sent;
  outer.adopted = {};
  if (block.awaits_outer()) await_outer(block);
}

} // namespace troupe
