// What a parameter server's holders did, from what was heard in a simulated world: which versions
// each worker read, which gradient came first, in which order updates were applied. Afterwards all
// of it is computed again: each update once, within the bound, of the parameters that were read.
#pragma once

#include "actors/block_update.hpp"
#include "ops/block_codec.hpp"
#include "support/drawn_world.hpp"
#include "support/sequential_reference.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace troupe::test {

class update_watch {
public:
  void hear(const heard_message& m) {
    const auto* read = std::get_if<protocol::parameters>(m.content);
    if (read != nullptr && m.to.role == role_kind::layer_shard)
      reads_[{read->step, read->block}].insert(read->version);
    const auto* update = std::get_if<protocol::reduced_gradient>(m.content);
    if (update != nullptr && m.to.role == role_kind::parameter_holder)
      accepted_.try_emplace({update->step, update->block}, *update);
    const auto* done = std::get_if<protocol::committed>(m.content);
    if (done != nullptr && !m.copy && !said_before(*done)) note_applied(*done);
    const auto* entry = std::get_if<protocol::log_entry>(m.content);
    if (entry != nullptr && entry->kind == protocol::log_kind::update) note_entry(*entry);
  }

  // What was done wrong; empty: nothing. REQUIRES: the run has ended.
  [[nodiscard]] std::string problem(const drawn_world& d, const parameter_layout& layout) {
    for (auto& [block, all] : applied_) // what a dead director missed, its successor hears late
      std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) {
        return a.version < b.version;
      });
    for (int b = 0; b < std::ssize(layout.blocks); ++b) {
      std::string out = order_of_updates(d, b);
      if (out.empty()) out = bound_of_reads(d, b);
      if (out.empty()) out = updates_again(d, layout, b);
      if (!out.empty()) return fmt::format("block {}: {}", b, out);
    }
    return gradients_again(d, layout);
  }

private:
  using step_block = std::pair<std::uint64_t, int>;

  // A restarted holder says again what its copies have, and must not say another thing.
  [[nodiscard]] bool said_before(const protocol::committed& m) const {
    const auto found = applied_.find(m.block);
    return found != applied_.end() &&
           std::any_of(found->second.begin(), found->second.end(), [&](const auto& known) {
             return known.version == m.version && known.step == m.step &&
                    known.digest == m.digest && known.staleness == m.staleness;
           });
  }

  // A director that is new hears of several at once, in any order.
  void note_applied(const protocol::committed& m) {
    auto& all = applied_[m.block];
    const auto newer = std::find_if(
        all.begin(), all.end(), [&](const auto& known) { return known.version > m.version; });
    all.insert(newer, m);
  }

  // What copies do is what counts, by the newest head that says it: an older one may have taken up
  // what was computed before.
  void note_entry(const protocol::log_entry& e) {
    auto& head = logged_[{e.step, e.block}];
    if (e.head < head) return;
    head = e.head;
    accepted_[{e.step, e.block}] = {e.step, e.block, e.value, e.addend, e.encoded};
  }

  static std::uint64_t workers(const drawn_world& d) {
    return static_cast<std::uint64_t>(d.options.replicas);
  }

  [[nodiscard]] std::string order_of_updates(const drawn_world& d, int block) const {
    const auto found = applied_.find(block);
    const auto steps = static_cast<std::size_t>(d.job.steps);
    if (found == applied_.end() || found->second.size() != steps)
      return fmt::format("{} updates of {} are applied",
                         found == applied_.end() ? 0 : found->second.size(),
                         steps);
    std::vector<std::uint64_t> clocks(workers(d), 0);
    for (std::size_t i = 0; i < steps; ++i) {
      const auto& m = found->second[i];
      if (m.version != i + 1) return fmt::format("version {} follows {}", m.version, i);
      if (m.step / workers(d) != clocks[m.step % workers(d)]++)
        return fmt::format("the update of step {} is out of its worker's order", m.step);
    }
    return {};
  }

  // Clocks of each worker that version `version` of a block has.
  [[nodiscard]] std::vector<std::uint64_t>
  clocks_of(const drawn_world& d, int block, std::uint64_t version) const {
    std::vector<std::uint64_t> out(workers(d), 0);
    for (std::uint64_t i = 0; i < version; ++i)
      ++out[applied_.at(block)[i].step % workers(d)];
    return out;
  }

  // A worker's own updates are in what it reads, and nobody who still computes is too far behind.
  [[nodiscard]] std::string bound_of_reads(const drawn_world& d, int block) const {
    auto bound = d.options.order.staleness;
    bool bounded = d.options.order.kind == consistency_kind::bounded;
    for (const dial& set : d.dials)
      if (set.kind == credit_kind::staleness) bound = std::max(bound, set.value);
    for (const dial& set : d.dials)
      bounded = bounded && (set.kind != credit_kind::staleness || set.value != no_bound);
    for (const auto& [key, versions] : reads_) {
      if (key.second != block) continue;
      const auto clock = key.first / workers(d);
      for (const auto version : versions) {
        const auto clocks = clocks_of(d, block, version);
        if (clocks[key.first % workers(d)] < clock)
          return fmt::format(
              "step {} read version {}, without an update of its own worker", key.first, version);
        for (std::uint64_t w = 0; bounded && w < workers(d); ++w)
          if (clocks[w] * workers(d) + w < static_cast<std::uint64_t>(d.job.steps) &&
              clocks[w] + bound < clock)
            return fmt::format("step {} read version {}, where worker {} is {} clocks behind",
                               key.first,
                               version,
                               w,
                               clock - clocks[w]);
      }
    }
    return {};
  }

  // How far a worker was ahead of the slowest one that has updates to come, when it read.
  [[nodiscard]] std::uint64_t lead_of(const drawn_world& d, std::uint64_t step, int block) const {
    const auto clocks = clocks_of(d, block, read_of(step, block));
    const auto clock = step / workers(d);
    std::uint64_t out = 0;
    for (std::uint64_t w = 0; w < workers(d); ++w)
      if (clocks[w] * workers(d) + w < static_cast<std::uint64_t>(d.job.steps))
        out = std::max(out, clock - std::min(clock, clocks[w]));
    return out;
  }

  // The digest of each version, to which the first gradients that came are applied in that order.
  [[nodiscard]] std::string
  updates_again(const drawn_world& d, const parameter_layout& layout, int block) {
    const auto rule =
        std::make_shared<block_rule>(layout, block, d.job.optimizer, std::vector<tensor>{});
    auto& values = values_[block];
    values = {initial_parameters(layout, d.job.seed)[static_cast<std::size_t>(block)]};
    for (const auto& m : applied_.at(block)) {
      const auto read = read_of(m.step, block);
      if (const auto& known = reads_[{m.step, block}]; !known.contains(read))
        return fmt::format("step {} is applied as if it had read version {}", m.step, read);
      if (m.lead != lead_of(d, m.step, block))
        return fmt::format("step {} is said to have read {} clocks ahead", m.step, m.lead);
      block_update update;
      update.block = rule;
      update.step = m.version - 1;
      update.old_parameters = values.back();
      const auto& came = accepted_.at({m.step, block});
      update.gradient = came.encoded
                            ? block_codec(d.job.compression, layout, block).decode(came.value)
                            : came.value;
      update.addend = came.addend;
      update.new_parameters = buffer_pool::global().take(values.back().dims());
      update.rule = d.job.optimizer;
      update.rate =
          d.job.learning_rate.at(static_cast<std::int64_t>(update.step), d.job.total_steps());
      if (d.options.order.staleness_aware)
        update.rate /= static_cast<float>(std::max<std::uint64_t>(1, m.staleness));
      if (d.options.order.delay_compensation != 0 && m.staleness > 0) {
        update.read_parameters = values[read];
        update.compensation = d.options.order.delay_compensation;
      }
      update.microbatches = static_cast<float>(d.job.microbatches);
      update.run(0, rule->chunks.size());
      values.push_back(std::move(update.new_parameters).freeze());
      if (rule->digest() != m.digest)
        return fmt::format("version {}, by step {}, has other bits", m.version, m.step);
    }
    return {};
  }

  // Each gradient is that of parameters that its worker read, of one version of each block; where a
  // worker read several, because it died or was answered twice, of those that its holder names.
  [[nodiscard]] std::string gradients_again(const drawn_world& d, const parameter_layout& layout) {
    auto plain = d.job;
    plain.compression = nullptr;
    sequential_reference loop(plain);
    for (std::uint64_t step = 0; step < static_cast<std::uint64_t>(d.job.steps); ++step) {
      std::vector<tensor> read, came;
      for (int b = 0; b < std::ssize(layout.blocks); ++b) {
        read.push_back(values_[b][read_of(step, b)]);
        const auto& update = accepted_.at({step, b});
        came.push_back(update.encoded
                           ? block_codec(d.job.compression, layout, b).decode(update.value)
                           : update.value);
      }
      auto sums = loop.gradients_at(in_blocks_of(loop.layout(), layout, read),
                                    static_cast<std::int64_t>(step));
      for (int b = 0; d.job.compression && b < std::ssize(sums); ++b) {
        const block_codec codec(d.job.compression, loop.layout(), b);
        auto& sum = sums[static_cast<std::size_t>(b)];
        sum = codec.decode(codec.encode(sum, {}, {d.job.seed, step, 0, 0}));
      }
      for (int p = 0; p < std::ssize(layout.specs); ++p)
        if (plain_values(layout, p, came) != plain_values(loop.layout(), p, sums))
          return fmt::format("step {}'s gradient of {} is not that of what was read",
                             step,
                             layout.specs[static_cast<std::size_t>(p)].name);
    }
    return {};
  }

  // The version of which the holder says that it was read.
  [[nodiscard]] std::uint64_t read_of(std::uint64_t step, int block) const {
    const auto& all = applied_.at(block);
    const auto m = std::find_if(
        all.begin(), all.end(), [&](const protocol::committed& c) { return c.step == step; });
    return m->version - 1 - std::min(m->staleness, m->version - 1);
  }

  // A loop cuts parameters into blocks in its own way.
  static std::vector<tensor> in_blocks_of(const parameter_layout& to,
                                          const parameter_layout& from,
                                          const std::vector<tensor>& blocks) {
    std::vector<std::vector<float>> values;
    for (int p = 0; p < std::ssize(from.specs); ++p)
      values.push_back(plain_values(from, p, blocks));
    return packed_blocks(to, std::vector<std::span<const float>>(values.begin(), values.end()));
  }

  std::map<step_block, std::set<std::uint64_t>> reads_; // versions
  std::map<step_block, protocol::reduced_gradient> accepted_;
  std::map<step_block, incarnation> logged_;                // who wrote it into the log
  std::map<int, std::vector<protocol::committed>> applied_; // by block, in their order
  std::map<int, std::vector<tensor>> values_;               // by block and version
};

} // namespace troupe::test
