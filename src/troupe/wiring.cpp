#include "troupe/wiring.hpp"

#include "ops/files/count_text.hpp"
#include "troupe/dials.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

namespace troupe {

std::vector<address> wiring::of(role_kind role) const {
  std::vector<address> out;
  for (const auto& r : roles)
    if (r.where.role == role) out.push_back(r.where);
  return out;
}

const wired_role* wiring::find(const address& where) const {
  const auto found =
      std::find_if(roles.begin(), roles.end(), [&](const auto& r) { return r.where == where; });
  return found == roles.end() ? nullptr : &*found;
}

std::vector<int> wiring::part_of_piece() const {
  std::vector<int> out;
  if (parts.size() < 2) return out;
  for (std::size_t p = 0; p < parts.size(); ++p)
    out.insert(out.end(), static_cast<std::size_t>(parts[p].pieces), static_cast<int>(p));
  return out;
}

int wiring::island_of(const microbatch_range& run) const {
  return job.outer.islands == 0
             ? 0
             : 1 + static_cast<int>(run.first / std::max(1U, job.island_microbatches()));
}

std::vector<tree_span> wiring::spans_of(const microbatch_range& run) const {
  const auto n = job.island_microbatches();
  const tree_span own{run.first % n, run.count};
  if (order.as_they_come()) return tree_cover(n, own);
  if (!job.compression || job.outer.islands > 0) return tree_cover_below_root(n, own);
  return nodes_within(compressed_nodes(job), own);
}

std::uint64_t wiring::workers() const {
  return order.as_they_come() ? static_cast<std::uint64_t>(replicas) : 0;
}

int wiring::backups() const {
  std::set<int> out;
  for (const auto& r : roles)
    if (r.where.role == role_kind::layer_shard && r.backup) out.insert(r.where.replica);
  return static_cast<int>(out.size());
}

bool wiring::deals_shares() const {
  return balance_shares || backups() > 0;
}

std::uint32_t wiring::microbatches_most(const wired_role& shard) const {
  if (balance_shares) return job.microbatches;
  auto out = shard.microbatches.count;
  if (!shard.backup) return out;
  for (const auto& r : roles)
    if (r.where.role == role_kind::layer_shard) out = std::max(out, r.microbatches.count);
  return out;
}

bool wiring::spreads_slices() const {
  return std::any_of(roles.begin(), roles.end(), [](const wired_role& r) {
    return r.where.role == role_kind::layer_shard && r.where.slice > 0;
  });
}

bool wiring::uses_devices() const {
  return std::any_of(
      roles.begin(), roles.end(), [](const wired_role& r) { return !r.device.empty(); });
}

int wiring::nodes() const {
  int out = 0;
  for (const auto& r : roles)
    out = std::max(out, r.node + 1);
  return out;
}

schedule schedule_of(const wiring& w, int replica) {
  auto out = longest_schedule_of(w, replica);
  for (const auto& role : w.roles)
    if (role.where.role == role_kind::layer_shard && std::cmp_equal(role.where.replica, replica))
      out.microbatches = std::min(out.microbatches, role.microbatches.count);
  if (w.deals_shares())
    for (auto& list : out.per_stage)
      list = first_microbatches(std::move(list), out.microbatches);
  return out;
}

schedule longest_schedule_of(const wiring& w, int replica) {
  std::vector<const wired_role*> shards;
  for (const auto& role : w.roles)
    if (role.where.role == role_kind::layer_shard && std::cmp_equal(role.where.replica, replica))
      shards.push_back(&role);
  std::stable_sort(shards.begin(), shards.end(), [](const auto* a, const auto* b) {
    return a->where < b->where;
  });
  auto out = longest_schedule_of(w, shards);
  out.name = fmt::format("replica-{}", replica);
  return out;
}

schedule longest_schedule_of(const wiring& w, const std::vector<const wired_role*>& shards) {
  schedule out{.name =
                   fmt::format("replica-{}", shards.empty() ? 0 : shards.front()->where.replica),
               .stages = static_cast<int>(shards.size()),
               .parts = std::max(1, static_cast<int>(w.parts.size())),
               .microbatches = shards.empty() ? 0 : w.microbatches_most(*shards.front()),
               .per_stage = {}};
  for (const auto* shard : shards)
    out.per_stage.push_back(shard->schedule);
  return out;
}

namespace {

std::vector<address> without_group(const wiring& w, role_kind role, int island) {
  auto out = w.of(role);
  std::erase_if(out, [&](const address& a) { return a.stage != 0 || a.slice != island; });
  return out;
}

} // namespace

std::vector<address> holders_of(const wiring& w, int island) {
  return without_group(w, role_kind::parameter_holder, island);
}

std::vector<address> roots_of(const wiring& w, int island) {
  return without_group(w, role_kind::gradient_aggregator, island);
}

namespace {

// The largest nodes of a tree over n leaves that some runs of them have to themselves.
std::vector<tree_span> nodes_of_runs(std::uint32_t n, std::vector<tree_span> runs) {
  std::sort(runs.begin(), runs.end());
  std::vector<tree_span> joined; // runs that touch are one
  for (const auto& run : runs) {
    const auto end = joined.empty() ? 0 : joined.back().first + joined.back().count;
    if (joined.empty() || run.first > end)
      joined.push_back(run);
    else
      joined.back().count = std::max(end, run.first + run.count) - joined.back().first;
  }
  std::vector<tree_span> out;
  for (const auto& run : joined)
    for (const auto& node : tree_cover_below_root(n, run))
      out.push_back(node);
  return out;
}

} // namespace

std::map<int, std::vector<tree_span>> sums_of_groups(const wiring& w) {
  const auto n = w.job.island_microbatches();
  std::map<int, std::vector<tree_span>> out;
  for (const auto& role : w.roles) // their runs, within the island
    if (role.where.role == role_kind::layer_shard && role.group > 0)
      out[role.group].push_back({role.microbatches.first % n, role.microbatches.count});
  for (auto& [group, spans] : out)
    spans = nodes_of_runs(n, std::move(spans));
  return out;
}

namespace {

std::string line_of(const wiring& w, const wired_role& role, bool many_nodes, bool many_parts) {
  std::string line = fmt::format("  {:<24}", role.where.text());
  if (many_nodes) line += fmt::format(" node {:<3}", role.node);
  if (role.where.role == role_kind::layer_shard || role.where.role == role_kind::data_loader) {
    const auto& m = role.microbatches;
    line += m.count == 1 ? fmt::format(" microbatch {} ", m.first)
                         : fmt::format(" microbatches {}..{} ", m.first, m.first + m.count - 1);
  }
  if (many_parts && role.where.role == role_kind::layer_shard)
    for (const int p : role.parts)
      line += fmt::format(" part {} ", p);
  if (role.where.role == role_kind::layer_shard && w.job.outer.islands > 0)
    line += fmt::format(" island {} ", w.island_of(role.microbatches));
  if (role.group != 0) line += fmt::format(" group {} ", role.group);
  if (role.backup) line += " backup ";
  if (!role.device.empty()) line += fmt::format(" on {} ", role.device);
  if (!role.talks_to.empty()) {
    line += " ->";
    for (const auto& peer : role.talks_to)
      line += " " + peer.text();
  }
  return line + "\n";
}

} // namespace

std::string wiring::text() const {
  std::string out = fmt::format(
      "wiring {}: {} actors on {} node{}\n", name, roles.size(), nodes(), nodes() == 1 ? "" : "s");
  const bool many = parts.size() > 1;
  for (std::size_t p = 0; many && p < parts.size(); ++p)
    out += fmt::format("  part {:<2} {:<44} {:>9.2f} MFLOP an image, {} parameters\n",
                       p,
                       parts[p].layers,
                       static_cast<double>(parts[p].flops) / 1e6,
                       count_text(parts[p].elements));
  out += fmt::format("  credit: {}\n", credit_text(*this));
  for (const auto& role : roles)
    out += line_of(*this, role, nodes() > 1, many);
  return out + copies_text(*this);
}

} // namespace troupe
