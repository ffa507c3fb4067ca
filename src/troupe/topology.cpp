#include "troupe/topology.hpp"

#include "ops/program.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

namespace troupe {

namespace {

std::vector<piece> pieces_of_model(const job& j) {
  const graph g = build_graph(j.model, j.data.train->image);
  return pieces_of(
      g, {.microbatch = std::max<std::int64_t>(1, j.batch / std::max(1U, j.microbatches))});
}

std::string list_of(const std::vector<piece>& pieces) {
  std::string out;
  for (std::size_t i = 0; i < pieces.size(); ++i)
    out += fmt::format("{}{}: {}", i == 0 ? "" : ", ", i, pieces[i].name);
  return out;
}

void check_replicas(const job& j, int replicas, std::vector<error_text>& out) {
  if (replicas < 1) {
    out.push_back({.what = fmt::format("{} replicas cannot train", replicas),
                   .where = "--replicas",
                   .help = "use 1 or more"});
    return;
  }
  const auto m = j.microbatches, n = static_cast<unsigned>(replicas);
  if (m < 1 || m % n == 0) return;
  out.push_back(
      {.what = fmt::format("{} microbatches do not split into {} replicas", m, replicas),
       .where = "--microbatches, --replicas",
       .why = fmt::format("{} = {} x {} + {}; a batch of {} images has {} microbatches",
                          m,
                          replicas,
                          m / n,
                          m % n,
                          j.batch,
                          m),
       .help = fmt::format("use --microbatches {} (part of the job: it changes the order of sums), "
                           "or a number of replicas that divides {}",
                           (m / n + 1) * n,
                           m)});
}

void check_cut(const hybrid_options& o,
               const std::vector<piece>& pieces,
               std::vector<error_text>& out) {
  const int parts = o.stages * o.chunks, all = static_cast<int>(pieces.size());
  if (parts > all)
    out.push_back({.what = fmt::format("the model has {} pieces for {} parts", all, parts),
                   .where = o.chunks > 1 ? "--stages, --chunks" : "--stages",
                   .why = list_of(pieces),
                   .help = fmt::format("use at most {} stages", all / o.chunks)});
  if (o.cut.empty()) return;
  std::vector<int> sorted = o.cut;
  std::sort(sorted.begin(), sorted.end());
  const bool fits = static_cast<int>(o.cut.size()) == parts - 1 && sorted == o.cut &&
                    std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end() &&
                    sorted.front() >= 1 && sorted.back() < all;
  if (!fits)
    out.push_back(
        {.what = fmt::format("the cut {} makes no {} parts", fmt::join(o.cut, ","), parts),
         .where = "--cut",
         .why = fmt::format("pieces: {}", list_of(pieces)),
         .help = fmt::format("give {} rising numbers of 1 to {}: the pieces with which the "
                             "parts after the first begin",
                             parts - 1,
                             all - 1)});
}

void check_schedule(const job& j, const hybrid_options& o, std::vector<error_text>& out) {
  const auto share = j.microbatches / static_cast<std::uint32_t>(o.replicas);
  const int parts = o.stages * o.chunks;
  if (!o.own_schedule) {
    try {
      named_schedule(o.schedule, o.stages, parts, std::max(1U, share));
    } catch (const error& e) {
      out.push_back(e.text());
    }
    return;
  }
  const auto& s = *o.own_schedule;
  if (s.stages != o.stages || s.parts != parts || s.microbatches != share)
    out.push_back({.what = fmt::format("schedule {} does not fit the wiring", s.name),
                   .where = "--pipeline",
                   .why = fmt::format("it has {} stages, {} parts, {} microbatches; the wiring {}, "
                                      "{}, {} a replica",
                                      s.stages,
                                      s.parts,
                                      s.microbatches,
                                      o.stages,
                                      parts,
                                      share),
                   .help = "change --stages, --chunks, --microbatches or the schedule"});
  for (const auto& m : mistakes_of(s))
    out.push_back(m);
}

std::vector<int> cut_of(const hybrid_options& o, const std::vector<piece>& pieces) {
  if (!o.cut.empty()) return o.cut;
  std::vector<double> costs = o.piece_costs;
  if (costs.size() != pieces.size()) {
    costs.clear();
    for (const auto& p : pieces)
      costs.push_back(static_cast<double>(p.flops));
  }
  return balanced_cut(costs, o.stages * o.chunks);
}

std::vector<model_part> parts_of(const std::vector<piece>& pieces, const std::vector<int>& cut) {
  std::vector<model_part> out;
  for (std::size_t p = 0; p <= cut.size(); ++p) {
    const auto first = p == 0 ? 0 : static_cast<std::size_t>(cut[p - 1]);
    const auto last = p == cut.size() ? pieces.size() : static_cast<std::size_t>(cut[p]);
    model_part part{pieces[first].name, static_cast<int>(last - first)};
    if (last - first > 1) part.layers += " .. " + pieces[last - 1].name;
    for (std::size_t i = first; i < last; ++i) {
      part.flops += pieces[i].flops;
      part.elements += pieces[i].elements;
    }
    out.push_back(std::move(part));
  }
  return out;
}

std::vector<address> together(std::initializer_list<std::vector<address>> lists) {
  std::vector<address> out;
  for (const auto& list : lists)
    out.insert(out.end(), list.begin(), list.end());
  return out;
}

std::vector<address> numbered(role_kind role, int count) {
  std::vector<address> out;
  for (int i = 0; i < count; ++i)
    out.push_back({.role = role, .replica = static_cast<std::uint16_t>(i)});
  return out;
}

// Fills a wiring: node r * stages + s hosts stage s of replica r.
class grid {
public:
  grid(const hybrid_options& o, const schedule& order, wiring& out)
      : options_(o),
        schedule_(order),
        out_(out),
        holders_count_(o.holders == 0 ? o.replicas * o.stages : o.holders),
        holders_(numbered(role_kind::parameter_holder, holders_count_)),
        aggregators_(numbered(role_kind::gradient_aggregator, holders_count_)),
        evaluators_(numbered(role_kind::evaluator, o.replicas * o.stages)) {
    for (int r = 0; r < o.replicas; ++r)
      for (int s = 0; s < o.stages; ++s)
        shards_.push_back(shard(r, s));
  }

  void fill() {
    out_.roles.push_back({address{.role = role_kind::supervisor}, {director_}});
    out_.roles.push_back({director_, together({shards_, evaluators_, {checkpointer_, recorder_}})});
    for (int r = 0; r < options_.replicas; ++r)
      add_replica(r);
    for (int h = 0; h < holders_count_; ++h)
      add_holder(h);
    for (std::size_t e = 0; e < evaluators_.size(); ++e)
      out_.roles.push_back(
          {evaluators_[e], together({holders_, {director_}}), static_cast<int>(e)});
    out_.roles.push_back({checkpointer_, together({holders_, {director_}})});
    out_.roles.push_back({recorder_, {}});
  }

private:
  static address shard(int replica, int stage) {
    return {.role = role_kind::layer_shard,
            .replica = static_cast<std::uint16_t>(replica),
            .stage = static_cast<std::uint16_t>(stage)};
  }

  [[nodiscard]] std::vector<int> parts_of_stage(int stage) const {
    std::vector<int> out;
    for (int p = stage; p < schedule_.parts; p += options_.stages)
      out.push_back(p);
    return out;
  }

  void add_replica(int r) {
    const auto share = out_.job.microbatches / static_cast<std::uint32_t>(options_.replicas);
    const microbatch_range own{static_cast<std::uint32_t>(r) * share, share};
    const address loader{.role = role_kind::data_loader, .replica = static_cast<std::uint16_t>(r)};
    const int last = options_.stages - 1;
    std::vector<address> read{shard(r, 0)};
    if (last > 0) read.push_back(shard(r, last)); // the targets
    out_.roles.push_back({loader, read, r * options_.stages, own});
    for (int s = 0; s < options_.stages; ++s) {
      std::vector<address> peers;
      if (s == 0 || s == last) peers.push_back(loader);
      for (int other = 0; other < options_.stages; ++other)
        if (other != s && (std::abs(other - s) == 1 || wraps(s, other)))
          peers.push_back(shard(r, other));
      out_.roles.push_back(
          {shard(r, s),
           together({peers, {director_}, own_of(aggregators_, s), own_of(holders_, s)}),
           r * options_.stages + s,
           own,
           parts_of_stage(s),
           schedule_.per_stage[static_cast<std::size_t>(s)]});
    }
  }

  // From the last stage back to the first, where a stage has several parts.
  [[nodiscard]] bool wraps(int a, int b) const {
    return options_.chunks > 1 && std::abs(a - b) == options_.stages - 1;
  }

  // With a holder per layer shard, the parameters of a stage stay on its nodes.
  [[nodiscard]] bool local() const { return holders_count_ == options_.replicas * options_.stages; }

  [[nodiscard]] std::vector<address> own_of(const std::vector<address>& all, int stage) const {
    if (!local()) return all;
    std::vector<address> out;
    for (int h = stage; h < holders_count_; h += options_.stages)
      out.push_back(all[static_cast<std::size_t>(h)]);
    return out;
  }

  void add_holder(int h) {
    const auto i = static_cast<std::size_t>(h);
    const int node = h % (options_.replicas * options_.stages);
    std::vector<int> parts;
    std::vector<address> readers = shards_;
    if (local() && options_.stages > 1) {
      parts = parts_of_stage(h % options_.stages);
      std::erase_if(readers, [&](const address& a) { return a.stage != h % options_.stages; });
    }
    out_.roles.push_back({aggregators_[i], {holders_[i]}, node, {}, parts});
    out_.roles.push_back({holders_[i],
                          together({readers, evaluators_, {director_, checkpointer_}}),
                          node,
                          {},
                          parts});
  }

  const hybrid_options& options_;
  const schedule& schedule_;
  wiring& out_;
  int holders_count_;
  std::vector<address> holders_, aggregators_, evaluators_, shards_;
  address director_{.role = role_kind::director}, recorder_{.role = role_kind::recorder},
      checkpointer_{.role = role_kind::checkpointer};
};

std::string counted(int n, const char* what) {
  return fmt::format("{} {}{}", n, what, n == 1 ? "" : "s");
}

} // namespace

std::vector<int> balanced_cut(const std::vector<double>& costs, int parts) {
  const auto n = static_cast<int>(costs.size());
  std::vector<double> sums(costs.size() + 1, 0);
  std::partial_sum(costs.begin(), costs.end(), sums.begin() + 1);
  const auto cost = [&](int first, int last) {
    return sums[static_cast<std::size_t>(last)] - sums[static_cast<std::size_t>(first)];
  };
  // best[k][i]: the dearest of k parts over the first i pieces; from: where the last one begins.
  const auto width = static_cast<std::size_t>(n) + 1;
  std::vector<std::vector<double>> best(
      static_cast<std::size_t>(parts) + 1,
      std::vector<double>(width, std::numeric_limits<double>::infinity()));
  std::vector<std::vector<int>> from(static_cast<std::size_t>(parts) + 1,
                                     std::vector<int>(width, 0));
  best[0][0] = 0;
  for (int k = 1; k <= parts; ++k)
    for (int i = k; i <= n; ++i)
      for (int at = k - 1; at < i; ++at) {
        const auto row = static_cast<std::size_t>(k), column = static_cast<std::size_t>(i);
        const double dearest = std::max(best[row - 1][static_cast<std::size_t>(at)], cost(at, i));
        if (dearest >= best[row][column]) continue;
        best[row][column] = dearest;
        from[row][column] = at;
      }
  std::vector<int> out;
  for (int k = parts, i = n; k > 1; --k) {
    i = from[static_cast<std::size_t>(k)][static_cast<std::size_t>(i)];
    out.insert(out.begin(), i);
  }
  return out;
}

std::vector<error_text> mistakes_of(const job& j, const hybrid_options& o) {
  auto out = mistakes_of(j);
  check_replicas(j, o.replicas, out);
  if (o.holders < 0)
    out.push_back({.what = fmt::format("{} parameter holders cannot hold", o.holders),
                   .where = "--holders",
                   .help = "use 1 or more, or 0 for one per layer shard"});
  if (o.stages < 1 || o.chunks < 1)
    out.push_back(
        {.what = fmt::format("{} stages of {} parts each compute nothing", o.stages, o.chunks),
         .where = "--stages, --chunks",
         .help = "use 1 or more"});
  const bool whole = o.stages * o.chunks == 1 && o.cut.empty() && !o.own_schedule;
  if (!out.empty() || whole) return out;
  check_cut(o, pieces_of_model(j), out);
  check_schedule(j, o, out);
  return out;
}

wiring hybrid(job j, const hybrid_options& o) {
  if (const auto wrong = mistakes_of(j, o); !wrong.empty()) throw joined(wrong);
  wiring out;
  out.replicas = o.replicas;
  out.stages = o.stages;
  out.recompute = o.recompute;
  out.block_bytes_max = o.block_bytes_max;
  const int parts = o.stages * o.chunks;
  if (parts > 1) {
    const auto pieces = pieces_of_model(j);
    out.parts = parts_of(pieces, cut_of(o, pieces));
  } else {
    out.parts.push_back({.layers = "all layers"});
  }
  const auto share = j.microbatches / static_cast<std::uint32_t>(o.replicas);
  // One stage: forward and backward of one microbatch after the other, under any name.
  const schedule order = o.own_schedule ? *o.own_schedule
                         : parts == 1   ? one_f_one_b(1, share)
                                        : named_schedule(o.schedule, o.stages, parts, share);
  const int holders = o.holders == 0 ? o.replicas * o.stages : o.holders;
  out.name = o.stages == 1
                 ? fmt::format("data_parallel({}, {})",
                               counted(o.replicas, "replica"),
                               counted(holders, "parameter holder"))
                 : fmt::format("{}({}{}, {}, {})",
                               o.replicas == 1 ? "pipeline" : "hybrid",
                               o.replicas == 1 ? "" : counted(o.replicas, "replica") + ", ",
                               counted(o.stages, "stage"),
                               order.name,
                               counted(holders, "parameter holder"));
  out.job = std::move(j);
  grid(o, order, out).fill();
  return out;
}

wiring data_parallel(job j, const data_parallel_options& o) {
  return hybrid(std::move(j), {.replicas = o.replicas, .holders = o.holders});
}

std::vector<error_text> mistakes_of(const job& j, const data_parallel_options& o) {
  return mistakes_of(j, hybrid_options{.replicas = o.replicas, .holders = o.holders});
}

wiring pipeline(job j, const pipeline_options& o) {
  return hybrid(std::move(j),
                {.stages = o.stages,
                 .schedule = o.schedule,
                 .own_schedule = o.own_schedule,
                 .chunks = o.chunks,
                 .cut = o.cut,
                 .recompute = o.recompute});
}

} // namespace troupe
