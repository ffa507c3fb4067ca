// Copies of parameter holders in a wiring: who they are, how they are made, what is wrong with
// them.
#include "troupe/topology.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <utility>

namespace troupe {

namespace {

address head_of(address holder) {
  holder.stage = 0;
  return holder;
}

bool is_copy(const address& who) {
  return who.role == role_kind::parameter_holder && who.stage != 0;
}

// By head, in the order of their numbers.
std::map<address, std::vector<const wired_role*>> holders_by_head(const wiring& w) {
  std::map<address, std::vector<const wired_role*>> out;
  for (const auto& role : w.roles)
    if (role.where.role == role_kind::parameter_holder) out[head_of(role.where)].push_back(&role);
  for (auto& [head, copies] : out)
    std::ranges::stable_sort(copies, {}, &wired_role::where);
  return out;
}

} // namespace

std::vector<address> copies_of(const wiring& w, const address& holder) {
  auto out = w.of(role_kind::parameter_holder);
  std::erase_if(out, [&](const address& a) { return head_of(a) != head_of(holder); });
  std::sort(out.begin(), out.end());
  return out;
}

// On the nodes after the holder's.
wiring copy_holders(wiring w, int copies) {
  if (copies < 2) return w;
  const int nodes = std::max(w.nodes(), copies);
  std::vector<wired_role> roles;
  for (wired_role& role : w.roles) {
    roles.push_back(std::move(role));
    if (roles.back().where.role != role_kind::parameter_holder) continue;
    const auto head = roles.size() - 1;
    for (int c = 1; c < copies; ++c) {
      auto copy = roles[head];
      copy.where.stage = static_cast<std::uint16_t>(c);
      copy.node = (copy.node + c) % nodes;
      copy.talks_to = {roles[head].where, {.role = role_kind::director}};
      roles.push_back(std::move(copy));
    }
    for (int c = 1; c < copies; ++c)
      roles[head].talks_to.push_back(roles[head + static_cast<std::size_t>(c)].where);
  }
  w.roles = std::move(roles);
  w.name.insert(w.name.size() - 1, fmt::format(", {} copies", copies));
  return w;
}

std::vector<error_text> copy_mistakes_of(const wiring& w) {
  std::vector<error_text> out;
  for (const auto& [head, copies] : holders_by_head(w)) {
    const auto& first = *copies.front();
    const auto& last = *copies.back();
    if (is_copy(first.where)) {
      out.push_back({.what = fmt::format(
                         "{} is a copy of {}, which nobody plays", first.where.text(), head.text()),
                     .where = first.where.text(),
                     .help = fmt::format("add a role {}, or remove this one", head.text())});
      continue;
    }
    if (last.where.stage >= copies.size())
      out.push_back({.what = fmt::format("{} is there, and {} has {} copies",
                                         last.where.text(),
                                         head.text(),
                                         copies.size() - 1),
                     .where = last.where.text(),
                     .why = "copies are numbered from 1, without a gap",
                     .help = fmt::format("number them 1 to {}", copies.size() - 1)});
    for (const auto* copy : copies)
      if (copy->parts != first.parts)
        out.push_back(
            {.what = fmt::format("{} names other parts than {}", copy->where.text(), head.text()),
             .where = copy->where.text(),
             .why = "it is a copy of it",
             .help = "give both the same parts"});
  }
  return out;
}

std::set<address> lonely_state_of(const wiring& w, int nodes) {
  std::map<address, std::set<int>> on; // by head, or by layer shard of a keeper
  const auto owner_of = [](address who) {
    if (who.role == role_kind::parameter_holder) return head_of(who);
    who.role = role_kind::layer_shard;
    return who;
  };
  for (const auto& role : w.roles)
    if (role.where.role == role_kind::parameter_holder ||
        role.where.role == role_kind::residual_keeper || role.where.role == role_kind::layer_shard)
      on[owner_of(role.where)].insert(role.node % nodes);
  std::set<address> out;
  for (const auto& role : w.roles)
    if ((role.where.role == role_kind::parameter_holder ||
         role.where.role == role_kind::residual_keeper) &&
        on[owner_of(role.where)].size() == 1)
      out.insert(role.where);
  return out;
}

std::string copies_text(const wiring& w) {
  std::string out;
  for (const auto& [head, copies] : holders_by_head(w)) {
    std::map<int, int> on; // by node
    for (const auto* copy : copies)
      if (++on[copy->node] == 2)
        out += fmt::format(
            "  {} has two copies on node {}: they are lost together\n", head.text(), copy->node);
  }
  return out;
}

} // namespace troupe
