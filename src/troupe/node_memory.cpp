#include "troupe/node_memory.hpp"

#include "ops/optimizer.hpp"
#include "troupe/casting.hpp"
#include "troupe/model_parts.hpp"
#include "troupe/wiring_picture.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace troupe {

namespace {

constexpr std::int64_t float_bytes = sizeof(float);
constexpr std::size_t nodes_told_max = 8;

class weighing {
public:
  weighing(const simulated_cluster& c, const wiring& w)
      : cluster_(c),
        wiring_(w),
        graph_(graph_of(w.job)),
        parts_(std::max<std::size_t>(1, w.parts.size())) {
    for (const auto& role : w.roles)
      if (role.where.role == role_kind::layer_shard) weigh_programs(kernel_plan_of(w, role));
  }

  std::vector<node_memory> nodes() {
    std::vector<node_memory> out(
        static_cast<std::size_t>(cluster_.nodes > 0 ? cluster_.nodes : wiring_.nodes()));
    const auto at = [&](const wired_role& role) -> node_memory& {
      return out[static_cast<std::size_t>(role.node) % out.size()];
    };
    for (const auto& role : wiring_.roles) {
      if (role.where.role == role_kind::layer_shard) add_shard(role, at(role));
      if (role.where.role == role_kind::residual_keeper) add_keeper(role, at(role));
    }
    for (int island = 0; std::cmp_less_equal(island, wiring_.job.outer.islands); ++island)
      add_holders(island, at);
    return out;
  }

private:
  struct part_facts {
    std::vector<bool> own_blocks;
    std::int64_t bytes = 0;
  };

  void weigh_programs(const kernel_plan& plan) {
    if (!program_bytes_.try_emplace(plan, 0).second) return;
    for (const auto& made : compiled(graph_, plan, compile_options_of(wiring_))) {
      for (const auto& p : made.in_flight)
        program_bytes_[plan] += static_cast<std::int64_t>(p->memory_bytes());
      note(parts_[static_cast<std::size_t>(made.index)], *made.in_flight.front());
    }
  }

  void note(part_facts& facts, const program& p) {
    if (!facts.own_blocks.empty()) return;
    layout_ = p.layout();
    crossings_ = p.crossings();
    for (std::size_t b = 0; b < layout_.blocks.size(); ++b) {
      facts.own_blocks.push_back(p.owns(static_cast<int>(b)));
      if (facts.own_blocks[b]) facts.bytes += layout_.blocks[b].size * float_bytes;
    }
  }

  [[nodiscard]] std::int64_t parameter_bytes(const wired_role& shard) const {
    std::int64_t out = 0;
    for (const int p : shard.parts)
      out += parts_[static_cast<std::size_t>(p)].bytes;
    return out;
  }

  void add_shard(const wired_role& role, node_memory& to) const {
    const auto computes = [&](int part) {
      return std::find(role.parts.begin(), role.parts.end(), part) != role.parts.end();
    };
    const auto versions = static_cast<std::int64_t>(delay_of(wiring_, role)) + 1;
    to.parameters += parameter_bytes(role) * versions;
    to.gradients += parameter_bytes(role);
    to.activations += program_bytes_.at(kernel_plan_of(wiring_, role)) * versions;
    for (const auto& c : crossings_)
      if (computes(c.from) && !computes(c.to))
        to.activations += c.elements * float_bytes * role.microbatches.count;
  }

  void add_keeper(const wired_role& role, node_memory& to) const {
    const auto* shard = wiring_.find({.role = role_kind::layer_shard,
                                      .replica = role.where.replica,
                                      .stage = role.where.stage,
                                      .slice = role.where.slice});
    if (shard != nullptr) to.optimizer += parameter_bytes(*shard);
  }

  // With the aggregators that add for them.
  template <class At>
  void add_holders(int island, const At& at) const {
    const auto& j = wiring_.job;
    std::vector<wired_role> holders;
    for (const address& h : holders_of(wiring_, island))
      holders.push_back(*wiring_.find(h));
    const auto roots = roots_of(wiring_, island);
    const bool outer = j.outer.islands > 0 && island == 0;
    const auto owner = assign_blocks(layout_, holders, part_of_block());

    struct held {
      std::int64_t parameters = 0, optimizer = 0;
    };

    std::map<std::uint32_t, held> by_holder; // and each of its copies
    for (std::size_t b = 0; b < owner.size(); ++b) {
      const auto h = static_cast<std::size_t>(owner[b]);
      auto& holder = by_holder[holders[h].where.replica];
      holder.parameters += layout_.blocks[b].size * float_bytes;
      holder.optimizer +=
          layout_.blocks[b].trainable * float_bytes * slots(outer ? j.outer.rule : j.optimizer);
      if (!roots.empty())
        at(*wiring_.find(roots[h])).gradients += layout_.blocks[b].size * float_bytes;
    }
    for (const auto& role : wiring_.roles) {
      if (role.where.role != role_kind::parameter_holder || role.where.slice != island) continue;
      at(role).parameters += by_holder[role.where.replica].parameters;
      at(role).optimizer += by_holder[role.where.replica].optimizer;
    }
  }

  [[nodiscard]] std::vector<int> part_of_block() const {
    std::vector<int> out(layout_.blocks.size(), 0);
    for (std::size_t p = 0; p < parts_.size(); ++p)
      for (std::size_t b = 0; b < parts_[p].own_blocks.size(); ++b)
        if (parts_[p].own_blocks[b]) out[b] = static_cast<int>(p);
    return out;
  }

  const simulated_cluster& cluster_;
  const wiring& wiring_;
  const graph graph_;
  std::map<kernel_plan, std::int64_t> program_bytes_;
  std::vector<part_facts> parts_;
  std::vector<crossing> crossings_;
  parameter_layout layout_;
};

} // namespace

std::string node_memory::text() const {
  using detail::size_text;
  return fmt::format("{} of parameters, {} of gradients, {} of the optimizer, {} of activations",
                     size_text(parameters),
                     size_text(gradients),
                     size_text(optimizer),
                     size_text(activations));
}

std::vector<node_memory> memory_of_nodes(const simulated_cluster& c, const wiring& w) {
  return weighing(c, w).nodes();
}

std::string most_text(const std::vector<node_memory>& needs) {
  const auto most = std::max_element(
      needs.begin(), needs.end(), [](const auto& a, const auto& b) { return a.all() < b.all(); });
  return fmt::format(
      "{} on node {}: {}", detail::size_text(most->all()), most - needs.begin(), most->text());
}

std::vector<error_text> too_large(const simulated_cluster& c,
                                  const std::vector<node_memory>& needs) {
  std::vector<error_text> out;
  std::size_t more = 0;
  for (std::size_t n = 0; n < needs.size(); ++n) {
    const auto own = c.model.nodes.find(static_cast<int>(n));
    const auto has = (own == c.model.nodes.end() ? c.model.node : own->second).memory_bytes;
    if (has == 0 || needs[n].all() <= has || ++more > nodes_told_max) continue;
    const bool of_activations = 2 * needs[n].activations > needs[n].all();
    out.push_back(
        {.what = fmt::format("node {} has too little memory: {}", n, detail::size_text(has)),
         .where = "memory of nodes",
         .why = fmt::format(
             "its actors need {}: {}", detail::size_text(needs[n].all()), needs[n].text()),
         .help = of_activations
                     ? "fewer activations: --recompute, more --microbatches, or 1f1b, which has "
                       "fewer in flight than gpipe"
                     : "smaller parts: more --stages, more --holders, or fewer actors on a node"});
  }
  if (more > nodes_told_max)
    out.back().why += fmt::format("\n  and {} more nodes have too little", more - nodes_told_max);
  return out;
}

} // namespace troupe
