// What a computation takes is a sum of terms that are measured one by one (calibrate()):
// - the kernels of its part of the model, as measured or as the profile has them;
// - binding: once a step, a layer shard's new parameters take the form that its kernels want;
// - the sums of its own microbatches' gradients, which backward makes as it goes;
// - where several microbatches are in flight, the values that backward finds again come from
// memory;
// - boundary values: what another layer shard has written comes from memory, and what is written
//   for another goes there;
// - bytes over bandwidth for sums, updates and reading; and the overhead of each.
#include "troupe/simulation_costs.hpp"

#include "troupe/casting.hpp"
#include "troupe/kernel_costs.hpp"
#include "troupe/model_parts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

namespace troupe {

namespace {

// Bytes that pass the core for each element.
constexpr double bytes_of_sum = 12;    // two are read, one is written
constexpr double bytes_of_update = 24; // parameter, gradient, slots
constexpr double bytes_of_pixel = 5;   // a byte becomes a float
constexpr double bytes_of_float = 4;

struct cost_table {
  std::vector<piece_cost> parts;         // seconds of a microbatch
  double binding = 0;                    // of a layer shard as the first one
  std::map<address, double> bindings;    // of those that differ
  double image = 0, microbatch_read = 0; // evaluation; reading
  double sum = 0, update = 0, write = 0; // of an element
  std::chrono::nanoseconds overhead{0};

  [[nodiscard]] double binding_of(const address& who) const {
    if (bindings.empty()) return binding;
    const auto found = bindings.find(who);
    return found == bindings.end() ? binding : found->second;
  }

  [[nodiscard]] double seconds(const address& who, const work& w) const {
    const auto amount = static_cast<double>(w.amount);
    const auto& part = parts[std::min(static_cast<std::size_t>(w.part), parts.size() - 1)];
    switch (w.kind) {
    case work_kind::forward:
      return amount * part.forward;
    case work_kind::backward:
      return amount * (part.backward_inputs + part.backward_weights);
    case work_kind::backward_inputs:
      return amount * part.backward_inputs;
    case work_kind::backward_weights:
      return amount * part.backward_weights;
    case work_kind::bind:
      return amount * binding_of(who);
    case work_kind::evaluate:
      return amount * image;
    case work_kind::read:
      return amount * microbatch_read;
    case work_kind::sum:
      return amount * sum;
    case work_kind::update:
      return amount * update;
    case work_kind::write:
      break;
    }
    return amount * write;
  }
};

// A layer shard adds the gradients of a span, so all but the first of each are added to something.
double share_that_is_added(const wiring& w, const wired_role& shard) {
  const auto computed = std::max<double>(1, shard.microbatches.count);
  return 1 - static_cast<double>(w.spans_of(shard.microbatches).size()) / computed;
}

class table_of {
public:
  table_of(const wiring& w, const simulation_costs& costs)
      : wiring_(w), machine_(costs.machine), pieces_(pieces_of(w.job)) {
    if (!costs.pieces.empty() && costs.pieces.size() != pieces_.size())
      throw error(
          {.what = fmt::format("{} costs for {} pieces", costs.pieces.size(), pieces_.size()),
           .where = "simulation_costs::pieces",
           .help = "use measured_costs() of the same job"});
    for (const wired_role& role : w.roles)
      if (role.where.role == role_kind::layer_shard) shards_.push_back(&role);
    part_of_piece_ = w.part_of_piece();
    part_of_piece_.resize(pieces_.size(), 0);
    out_.parts.resize(std::max<std::size_t>(1, w.parts.size()));
    add_kernels(costs.pieces.empty() ? piece_costs(w.job, machine_) : costs.pieces);
    add_memory();
    if (w.parts.size() > 1) add_boundaries();
    set_rates();
  }

  cost_table table() { return std::move(out_); }

private:
  piece_cost& part(int index) { return out_.parts[static_cast<std::size_t>(index)]; }

  void add_kernels(const std::vector<piece_cost>& costs) {
    for (std::size_t i = 0; i < costs.size(); ++i) {
      auto& to = part(part_of_piece_[i]);
      to.forward += costs[i].forward;
      to.backward_inputs += costs[i].backward_inputs + (wiring_.recompute ? costs[i].forward : 0);
      to.backward_weights += costs[i].backward_weights;
      to.bind += costs[i].bind;
      out_.image += costs[i].forward / static_cast<double>(images());
    }
    for (const wired_role* shard : shards_) {
      double own = 0;
      for (const int p : parts_of(*shard))
        own += part(p).bind;
      if (shard == shards_.front()) out_.binding = own;
      if (own != out_.binding) out_.bindings[shard->where] = own;
    }
  }

  // What every replica's layer shard adds to the parts that it computes: all replicas are alike.
  void add_memory() {
    const auto kernels = kernels_of(wiring_.job);
    const double sum = bytes_of_sum / rate(machine_.sum_bytes_per_second);
    const double load = bytes_of_float * static_cast<double>(images()) / machine_.bytes_per_second;
    std::set<int> done;
    for (const wired_role* shard : shards_) {
      if (done.size() == out_.parts.size()) break;
      const double added = share_that_is_added(wiring_, *shard) * sum;
      const double found_again = most_in_flight(wiring_, *shard) > 1 ? load : 0;
      for (const int p : parts_of(*shard)) {
        if (!done.insert(p).second) continue;
        for (std::size_t i = 0; i < pieces_.size(); ++i) {
          if (part_of_piece_[i] != p) continue;
          part(p).backward_weights += static_cast<double>(pieces_[i].elements) * added;
          part(p).backward_inputs += kernels[i].elements * found_again;
        }
      }
    }
  }

  void add_boundaries() {
    auto how = compile_options_of(wiring_);
    how.part = 0;
    const auto crossings = compile_cpu(graph_of(wiring_.job), how)->crossings();
    for (const crossing& c : crossings) {
      if (one_shard_has(c.from, c.to)) continue;
      const double seconds =
          static_cast<double>(c.elements) * bytes_of_float / machine_.bytes_per_second;
      phase(c.from, c.written) += seconds;
      phase(c.to, c.needed) += seconds;
    }
  }

  double& phase(int p, pass when) {
    return when == pass::forward ? part(p).forward : part(p).backward_inputs;
  }

  [[nodiscard]] bool one_shard_has(int a, int b) const {
    return std::any_of(shards_.begin(), shards_.end(), [&](const wired_role* shard) {
      const auto has = [&](int p) {
        return std::find(shard->parts.begin(), shard->parts.end(), p) != shard->parts.end();
      };
      return has(a) && has(b);
    });
  }

  void set_rates() {
    const auto& data = *wiring_.job.data.train;
    out_.microbatch_read = static_cast<double>(images() * data.image.elements()) * bytes_of_pixel /
                           rate(machine_.read_bytes_per_second);
    out_.sum = bytes_of_sum / rate(machine_.sum_bytes_per_second);
    out_.update = bytes_of_update / rate(machine_.update_bytes_per_second);
    out_.write = bytes_of_float / machine_.bytes_per_second;
    out_.overhead = machine_.overhead;
  }

  [[nodiscard]] double rate(double own) const { return own > 0 ? own : machine_.bytes_per_second; }

  [[nodiscard]] std::int64_t images() const { return wiring_.job.batch / wiring_.job.microbatches; }

  static std::vector<int> parts_of(const wired_role& shard) {
    return shard.parts.empty() ? std::vector{0} : shard.parts;
  }

  const wiring& wiring_;
  const machine_profile& machine_;
  std::vector<const wired_role*> shards_;
  std::vector<piece> pieces_;
  std::vector<int> part_of_piece_;
  cost_table out_;
};

} // namespace

std::function<std::chrono::nanoseconds(const address&, const work&)>
cost_function(const wiring& w, const simulation_costs& costs) {
  return [table = table_of(w, costs).table()](const address& who, const work& what) {
    return table.overhead +
           std::chrono::nanoseconds(static_cast<std::int64_t>(table.seconds(who, what) * 1e9));
  };
}

} // namespace troupe
