#include "troupe/price.hpp"

#include "ops/block_codec.hpp"
#include "troupe/casting.hpp"
#include "troupe/model_parts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

namespace troupe {

namespace {

constexpr std::int64_t float_bytes = sizeof(float);

// Backward computes two products, of the size of forward's one, for each layer; recomputation is
// one forward more.
std::int64_t training_factor(const wiring& w) {
  return w.recompute ? 4 : 3;
}

struct part_cost {
  std::int64_t flops = 0, elements = 0;
  piece_cost seconds; // or FLOPs, where nothing was measured
  bool reads_input = false, computes_loss = false;
  std::vector<bool> own_blocks;
};

class pricing {
public:
  pricing(const wiring& w, const price_options& options)
      : wiring_(w),
        options_(options),
        images_(w.job.batch / w.job.microbatches),
        graph_(graph_of(w.job)) {
    count_parts();
  }

  wiring_price price() {
    for (const auto& role : wiring_.roles)
      if (role.where.role == role_kind::layer_shard) price_shard(role);
    assign_holders();
    measure_gradients();
    for (const auto& role : wiring_.roles) {
      if (role.where.role == role_kind::layer_shard) price_edges(role);
      if (role.where.role == role_kind::gradient_aggregator && role.where.stage > 0)
        price_group(role.where);
    }
    for (std::size_t b = 0; b < layout_.blocks.size(); ++b)
      for (int island = 0; std::cmp_less(island, owners_.size()); ++island)
        price_block(b, island);
    price_time();
    for (const auto& [key, value] : edges_)
      out_.edges.push_back(value);
    return std::move(out_);
  }

private:
  void count_parts() {
    const auto pieces = pieces_of(wiring_.job);
    if (!options_.costs.empty() && options_.costs.size() != pieces.size())
      throw error(
          {.what = fmt::format("{} costs for {} pieces", options_.costs.size(), pieces.size()),
           .where = "price_options::costs",
           .help = "use measured_costs() of the same job"});
    auto part_of_piece = wiring_.part_of_piece();
    part_of_piece.resize(pieces.size(), 0);
    parts_.resize(std::max<std::size_t>(1, wiring_.parts.size()));
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      auto& part = parts_[static_cast<std::size_t>(part_of_piece[i])];
      part.flops += pieces[i].flops;
      part.elements += pieces[i].elements;
      const auto counted = static_cast<double>(pieces[i].flops);
      const auto cost =
          options_.costs.empty() ? piece_cost{counted, counted, counted} : options_.costs[i];
      part.seconds.forward += cost.forward;
      part.seconds.backward_inputs += cost.backward_inputs + (wiring_.recompute ? cost.forward : 0);
      part.seconds.backward_weights += cost.backward_weights;
    }
  }

  [[nodiscard]] const part_cost& part(int index) const {
    return parts_[static_cast<std::size_t>(index)];
  }

  void price_shard(const wired_role& role) {
    shard_price shard;
    shard.where = role.where;
    const auto plan = kernel_plan_of(wiring_, role);
    auto& bytes = bytes_of_[plan];
    if (bytes == 0)
      for (const auto& made : compiled(graph_, plan, compile_options_of(wiring_))) {
        note_facts(made.index, *made.in_flight.front());
        for (const auto& p : made.in_flight)
          bytes += p->memory_bytes();
      }
    shard.program_bytes = bytes * (delay_of(wiring_, role) + 1);
    shard.in_flight = most_in_flight(wiring_, role);
    const auto microbatches = std::int64_t{role.microbatches.count};
    for (const int p : role.parts) {
      const auto& cost = part(p);
      shard.flops += cost.flops * images_ * microbatches * training_factor(wiring_);
      shard.parameters += cost.elements;
      if (!options_.costs.empty())
        shard.busy_seconds += cost.seconds.all() * static_cast<double>(microbatches);
    }
    out_.shards.push_back(shard);
  }

  void note_facts(int index, const program& p) {
    auto& facts = parts_[static_cast<std::size_t>(index)];
    if (!facts.own_blocks.empty()) return;
    layout_ = p.layout();
    crossings_ = p.crossings();
    facts.reads_input = p.reads_input();
    facts.computes_loss = p.computes_loss();
    for (std::size_t b = 0; b < layout_.blocks.size(); ++b)
      facts.own_blocks.push_back(p.owns(static_cast<int>(b)));
  }

  void assign_holders() {
    std::vector<int> part_of_block(layout_.blocks.size(), 0);
    for (std::size_t p = 0; p < parts_.size(); ++p)
      for (std::size_t b = 0; b < part_of_block.size(); ++b)
        if (parts_[p].own_blocks[b]) part_of_block[b] = static_cast<int>(p);
    for (const auto& role : wiring_.roles) {
      if (role.where.role == role_kind::gradient_aggregator)
        out_.aggregators.push_back({.where = role.where});
      if (role.where.role == role_kind::parameter_holder)
        out_.holders.push_back({.where = role.where});
    }
    for (int island = 0; std::cmp_less_equal(island, wiring_.job.outer.islands); ++island) {
      const auto roots = roots_of(wiring_, island);
      std::vector<wired_role> holders;
      for (const address& h : holders_of(wiring_, island))
        holders.push_back(*wiring_.find(h));
      auto& made = owners_.emplace_back();
      for (const int h : assign_blocks(layout_, holders, part_of_block)) {
        made.holders.push_back(holders[static_cast<std::size_t>(h)].where);
        if (!roots.empty()) made.roots.push_back(roots[static_cast<std::size_t>(h)]);
      }
    }
  }

  // Where a codec is used. No payload of our codecs is larger or smaller for what is in it.
  void measure_gradients() {
    for (std::size_t b = 0; b < layout_.blocks.size(); ++b) {
      encoded_bytes_.push_back(layout_.blocks[b].size * float_bytes);
      if (!wiring_.job.compression) continue;
      const block_codec codec(wiring_.job.compression, layout_, static_cast<int>(b));
      const std::vector<float> zeros(static_cast<std::size_t>(layout_.blocks[b].size), 0.0F);
      std::vector<float> residual(static_cast<std::size_t>(codec.residual_elements()), 0.0F);
      encoded_bytes_[b] = static_cast<std::int64_t>(
          codec.encode(make_tensor({layout_.blocks[b].size}, zeros), residual, {}).bytes());
    }
  }

  // What a layer shard is told and tells others but for parameters.
  void price_edges(const wired_role& role) {
    const auto microbatches = std::int64_t{role.microbatches.count};
    const bool reads = any_part(role, &part_cost::reads_input);
    if (reads || any_part(role, &part_cost::computes_loss))
      add(0,
          {.role = role_kind::data_loader, .replica = role.where.replica},
          role.where,
          "batch",
          microbatches,
          batch_bytes(reads) * microbatches);
    for (const auto& c : crossings_) {
      const auto to = shard_of(role.where.replica, c.to);
      if (!computes(role, c.from) || to == role.where) continue;
      const auto bytes = c.elements * float_bytes * microbatches;
      const bool forth = c.written == pass::forward;
      add(forth ? 1 : 2,
          role.where,
          to,
          forth ? "activation" : "activation gradient",
          microbatches,
          bytes);
      for (auto& shard : out_.shards)
        if (shard.where == role.where) shard.boundary_bytes += bytes;
    }
    const auto& owners = owners_[static_cast<std::size_t>(wiring_.island_of(role.microbatches))];
    const auto spans = wiring_.spans_of(role.microbatches);
    for (std::size_t b = 0; b < layout_.blocks.size(); ++b) {
      if (!owns(role, b)) continue;
      const bool within = wiring_.job.outer.islands > 0; // of an island nothing is compressed
      const auto bytes = within ? layout_.blocks[b].size * float_bytes : encoded_bytes_[b];
      if (wiring_.order.as_they_come()) {
        price_sums(5, role.where, owners.holders[b], "summed gradient", bytes, spans.size());
        continue;
      }
      auto to = owners.roots[b];
      to.stage = static_cast<std::uint16_t>(role.group);
      price_sums(3, role.where, to, "gradient", bytes, spans.size());
    }
  }

  // Each block that somebody of the group computes, as so many sums.
  void price_group(const address& where) {
    const auto sums = sums_of_groups_[where.stage].size();
    for (std::size_t b = 0; b < layout_.blocks.size(); ++b) {
      const auto& root = owners_[where.slice].roots[b];
      if (sums > 0 && address{root.role, root.replica, where.stage, root.slice} == where)
        price_sums(
            4, where, root, "gradient of a group", layout_.blocks[b].size * float_bytes, sums);
    }
  }

  void price_sums(int order,
                  const address& from,
                  const address& to,
                  const char* what,
                  std::int64_t bytes_of_sum,
                  std::size_t sums) {
    const auto count = static_cast<std::int64_t>(sums);
    const auto bytes = bytes_of_sum * count;
    for (auto& aggregator : out_.aggregators)
      if (aggregator.where == to) aggregator.gradient_bytes += bytes;
    add(order, from, to, what, count, bytes);
  }

  void price_block(std::size_t b, int island) {
    const job& j = wiring_.job;
    const auto& owners = owners_[static_cast<std::size_t>(island)];
    const auto& holder = owners.holders[b];
    const bool outer = j.outer.islands > 0 && island == 0;
    const auto& block = layout_.blocks[b];
    const auto bytes = block.size * float_bytes;
    // The tree's last sum is left to the holder: it gets both halves.
    const bool as_they_come = wiring_.order.as_they_come();
    const bool two_sums = (outer ? j.outer.islands : j.island_microbatches()) > 1;
    const std::int64_t halves = two_sums && !as_they_come ? 2 : 1;
    const auto update_bytes = as_they_come ? encoded_bytes_[b] : bytes * halves;
    const auto every = outer ? std::int64_t{j.outer.every} : 1;
    for (auto& h : out_.holders) {
      auto head = h.where; // of a copy
      head.stage = 0;
      if (head != holder) continue;
      ++h.blocks;
      h.parameter_bytes += bytes;
      h.optimizer_bytes +=
          block.trainable * float_bytes * slots(outer ? j.outer.rule : j.optimizer);
      if (h.where != holder) add(10, holder, h.where, "summed gradient", 1, update_bytes, every);
    }
    if (outer) return price_round(b, halves);
    if (!as_they_come) add(5, owners.roots[b], holder, "summed gradient", 1, bytes * halves);
    for (const auto& role : wiring_.roles)
      if (role.where.role == role_kind::layer_shard && owns(role, b) &&
          wiring_.island_of(role.microbatches) == island)
        add(6, holder, role.where, "parameters", 1, bytes);
  }

  // What crosses between islands.
  void price_round(std::size_t b, std::int64_t halves) {
    const auto bytes = layout_.blocks[b].size * float_bytes;
    const auto every = std::int64_t{wiring_.job.outer.every};
    const auto& root = owners_[0].roots[b];
    const auto& holder = owners_[0].holders[b];
    for (std::size_t w = 1; w < owners_.size(); ++w) {
      for (auto& aggregator : out_.aggregators)
        if (aggregator.where == root) aggregator.gradient_bytes += encoded_bytes_[b];
      add(7, owners_[w].holders[b], root, "delta of an island", 1, encoded_bytes_[b], every);
      add(9, holder, owners_[w].holders[b], "outer parameters", 1, bytes, every);
    }
    add(8, root, holder, "summed gradient", 1, bytes * halves, every);
  }

  void price_time() {
    auto& times = out_.times;
    for (std::size_t i = 0; i < parts_.size(); ++i) {
      const auto& p = parts_[i].seconds;
      // Where nobody waits for the gradient of a part's inputs, all of backward is the weights'.
      const bool awaited = std::any_of(crossings_.begin(), crossings_.end(), [&](const auto& c) {
        return std::cmp_equal(c.from, i) && c.written == pass::backward;
      });
      times.forward.push_back(p.forward);
      times.backward_input.push_back(awaited ? p.backward_inputs : 0);
      times.backward_weights.push_back(p.backward_weights + (awaited ? 0 : p.backward_inputs));
    }
    std::set<int> replicas;
    for (const auto& shard : out_.shards)
      replicas.insert(shard.where.replica);
    double slowest = 0, work = 0;
    for (const int r : replicas) {
      if (wiring_.spreads_slices()) break; // slices side by side are in no schedule
      const auto run = simulate(schedule_of(wiring_, r), times);
      if (run.makespan <= slowest) continue;
      slowest = run.makespan;
      out_.bubble_fraction = run.bubble_fraction;
    }
    const auto count = static_cast<int>(out_.shards.size());
    out_.threads = options_.threads > 0 ? std::min(options_.threads, count) : count;
    for (const auto& shard : out_.shards)
      work += shard.busy_seconds;
    if (!options_.costs.empty()) out_.step_seconds = std::max(slowest, work / out_.threads);
  }

  static bool computes(const wired_role& role, int p) {
    return std::find(role.parts.begin(), role.parts.end(), p) != role.parts.end();
  }

  [[nodiscard]] bool any_part(const wired_role& role, bool part_cost::*fact) const {
    return std::any_of(role.parts.begin(), role.parts.end(), [&](int p) { return part(p).*fact; });
  }

  [[nodiscard]] bool owns(const wired_role& role, std::size_t block) const {
    return std::any_of(
        role.parts.begin(), role.parts.end(), [&](int p) { return part(p).own_blocks[block]; });
  }

  [[nodiscard]] address shard_of(int replica, int p) const {
    for (const auto& role : wiring_.roles)
      if (role.where.role == role_kind::layer_shard &&
          std::cmp_equal(role.where.replica, replica) && computes(role, p))
        return role.where;
    return {};
  }

  [[nodiscard]] std::int64_t batch_bytes(bool images) const {
    const auto& data = *wiring_.job.data.train;
    const bool indices = std::holds_alternative<softmax_cross_entropy>(wiring_.job.loss);
    const auto targets = indices ? 1 : graph_.output().elements();
    return images_ * ((images ? data.image.elements() : 0) + targets) * float_bytes;
  }

  void add(int order,
           const address& from,
           const address& to,
           const char* what,
           std::int64_t messages,
           std::int64_t bytes,
           std::int64_t every = 1) {
    auto& edge = edges_[{order, from, to}];
    edge.from = from;
    edge.to = to;
    edge.what = what;
    edge.every = every;
    edge.messages += messages;
    edge.bytes += bytes;
  }

  const wiring& wiring_;
  const price_options& options_;
  std::int64_t images_; // of a microbatch
  graph graph_;
  std::vector<part_cost> parts_;
  parameter_layout layout_;
  std::vector<crossing> crossings_;
  std::map<kernel_plan, std::size_t> bytes_of_;
  std::vector<std::int64_t> encoded_bytes_; // of a gradient, by block

  struct block_owners {
    std::vector<address> holders, roots; // by block
  };

  std::map<int, std::vector<tree_span>> sums_of_groups_ = sums_of_groups(wiring_);
  std::vector<block_owners> owners_; // of all or of the outer parameters, then of each island
  std::map<std::tuple<int, address, address>, edge_price> edges_; // in the order of a step
  wiring_price out_;
};

} // namespace

wiring_price price_of(const wiring& w, const price_options& options) {
  if (const auto mistakes = mistakes_of(w); !mistakes.empty()) throw joined(mistakes);
  return pricing(w, options).price();
}

} // namespace troupe
