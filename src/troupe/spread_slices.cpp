// Gives slices of layers to layer shards of their own.
#include "troupe/model_parts.hpp"
#include "troupe/topology.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

namespace troupe {

namespace {

// A part of the old cut, in runs of pieces that one shard computes; slice 0 has the rest, too.
struct run_of_pieces {
  int first = 0, last = 0; // pieces
  int slice = 0;
};

std::vector<run_of_pieces> runs_of(const std::vector<piece>& pieces, int first, int last) {
  std::vector<run_of_pieces> out;
  for (int i = first; i < last; ++i) {
    const piece& p = pieces[static_cast<std::size_t>(i)];
    const bool sliced = p.slices > 1;
    const bool goes_on = !out.empty() && !sliced && out.back().slice == 0 &&
                         pieces[static_cast<std::size_t>(i - 1)].slices == 1;
    if (goes_on)
      out.back().last = i + 1;
    else
      out.push_back({i, i + 1, sliced ? p.slice : 0});
  }
  return out;
}

// Old parts to new ones, by slice.
using part_map = std::vector<std::map<int, std::vector<int>>>;

std::vector<int> parts_for(const part_map& parts, const std::vector<int>& old, int slice) {
  std::vector<int> out;
  for (const int p : old)
    if (const auto found = parts[static_cast<std::size_t>(p)].find(slice);
        found != parts[static_cast<std::size_t>(p)].end())
      out.insert(out.end(), found->second.begin(), found->second.end());
  return out;
}

std::vector<int> all_parts(const part_map& parts, const std::vector<int>& old) {
  std::vector<int> out;
  for (const int p : old)
    for (const auto& [slice, list] : parts[static_cast<std::size_t>(p)])
      out.insert(out.end(), list.begin(), list.end());
  return out;
}

// Forward in the order of the parts, backward against it.
std::vector<schedule_op>
schedule_for(const part_map& parts, const std::vector<schedule_op>& old, int slice) {
  std::vector<schedule_op> out;
  for (const schedule_op& op : old) {
    auto list = parts_for(parts, {op.part}, slice);
    if (op.kind != op_kind::forward) std::reverse(list.begin(), list.end());
    for (const int p : list)
      out.push_back({op.kind, p, op.microbatch});
  }
  return out;
}

} // namespace

wiring spread_slices(wiring w) {
  const auto pieces = pieces_of(w.job);
  std::vector<int> cut;
  part_map parts;
  int first = 0, slices = 1;
  for (std::size_t p = 0; p < w.parts.size(); ++p) {
    const int last =
        w.parts.size() == 1 ? static_cast<int>(pieces.size()) : first + w.parts[p].pieces;
    auto& mine = parts.emplace_back();
    for (const run_of_pieces& run : runs_of(pieces, first, last)) {
      if (run.first > 0) cut.push_back(run.first);
      mine[run.slice].push_back(static_cast<int>(cut.size()));
      slices = std::max(slices, run.slice + 1);
    }
    first = last;
  }
  if (slices == 1) return w;

  const int nodes = w.nodes();
  const auto slice_of = [](address a, int slice) {
    a.slice = static_cast<std::uint16_t>(slice);
    return a;
  };
  std::vector<wired_role> roles;
  std::vector<address> added;
  for (wired_role role : std::exchange(w.roles, {})) {
    const bool shard = role.where.role == role_kind::layer_shard;
    const auto old = role;
    if (shard) {
      role.parts = parts_for(parts, old.parts, 0);
      role.schedule = schedule_for(parts, old.schedule, 0);
    } else {
      role.parts = all_parts(parts, old.parts);
    }
    roles.push_back(role);
    for (int k = 1; shard && k < slices; ++k) {
      auto mine = old;
      mine.where = slice_of(old.where, k);
      mine.node = old.node + k * nodes;
      mine.parts = parts_for(parts, old.parts, k);
      mine.schedule = schedule_for(parts, old.schedule, k);
      if (mine.parts.empty()) continue;
      mine.talks_to.push_back(old.where);
      roles[roles.size() - 1 - (mine.where.slice - 1)].talks_to.push_back(mine.where);
      added.push_back(mine.where);
      if (auto keeper = old.where; w.job.compression && w.job.compression->has_residual()) {
        keeper.role = role_kind::residual_keeper;
        for (address& peer : mine.talks_to)
          if (peer == keeper) peer = slice_of(keeper, k);
        roles.insert(roles.begin(),
                     {slice_of(keeper, k),
                      {mine.where, address{.role = role_kind::checkpointer}},
                      mine.node});
      }
      roles.push_back(std::move(mine));
    }
  }
  for (wired_role& role : roles)
    if (role.where.role == role_kind::director)
      role.talks_to.insert(role.talks_to.end(), added.begin(), added.end());
  w.roles = std::move(roles);
  w.parts = parts_of(pieces, cut);
  w.name.insert(w.name.size() - 1, fmt::format(", {} slices", slices));
  return w;
}

} // namespace troupe
