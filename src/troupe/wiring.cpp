#include "troupe/wiring.hpp"

#include <fmt/format.h>

#include <utility>

namespace troupe {

std::vector<error_text> mistakes_of(const job& j, const data_parallel_options& options) {
  auto out = mistakes_of(j);
  const int r = options.replicas;
  if (r < 1) {
    out.push_back({.what = fmt::format("{} replicas cannot train", r),
                   .where = "--replicas",
                   .help = "use 1 or more"});
  } else if (j.microbatches >= 1 && j.microbatches % static_cast<unsigned>(r) != 0) {
    const auto m = j.microbatches, n = static_cast<unsigned>(r);
    out.push_back({.what = fmt::format("{} microbatches do not split into {} replicas", m, r),
                   .where = "--microbatches, --replicas",
                   .why = fmt::format("{} = {} x {} + {}; a batch of {} images has {} microbatches",
                                      m,
                                      r,
                                      m / n,
                                      m % n,
                                      j.batch,
                                      m),
                   .help = fmt::format(
                       "use --microbatches {} (part of the job: it changes the order of sums), "
                       "or a number of replicas that divides {}",
                       (m / n + 1) * n,
                       m)});
  }
  if (options.holders < 0)
    out.push_back({.what = fmt::format("{} parameter holders cannot hold", options.holders),
                   .where = "--holders",
                   .help = "use 1 or more, or 0 for one per replica"});
  return out;
}

namespace {

address numbered(role_kind role, int index) {
  return {.role = role, .replica = static_cast<std::uint16_t>(index)};
}

std::vector<address> numbered_all(role_kind role, int count) {
  std::vector<address> out;
  for (int i = 0; i < count; ++i)
    out.push_back(numbered(role, i));
  return out;
}

std::vector<address> together(std::initializer_list<std::vector<address>> lists) {
  std::vector<address> out;
  for (const auto& list : lists)
    out.insert(out.end(), list.begin(), list.end());
  return out;
}

// The whole model: forward and backward of one microbatch after the other.
std::vector<schedule_op> one_stage(std::uint32_t microbatches) {
  std::vector<schedule_op> out;
  for (std::uint32_t m = 0; m < microbatches; ++m)
    for (const auto kind : {op_kind::forward, op_kind::backward})
      out.push_back({kind, 0, m});
  return out;
}

} // namespace

wiring data_parallel(job j, const data_parallel_options& options) {
  if (const auto mistakes = mistakes_of(j, options); !mistakes.empty()) throw joined(mistakes);
  const int r = options.replicas, h = options.holders == 0 ? r : options.holders;

  wiring out;
  out.name = fmt::format("data_parallel({} replica{}, {} parameter holder{})",
                         r,
                         r == 1 ? "" : "s",
                         h,
                         h == 1 ? "" : "s");
  out.replicas = r;
  out.holders = out.aggregators = h;
  const auto shards = numbered_all(role_kind::layer_shard, r);
  const auto holders = numbered_all(role_kind::parameter_holder, h);
  const auto aggregators = numbered_all(role_kind::gradient_aggregator, h);
  const auto evaluators = numbered_all(role_kind::evaluator, r);
  const address director{.role = role_kind::director}, recorder{.role = role_kind::recorder},
      checkpointer{.role = role_kind::checkpointer};

  out.roles.push_back({address{.role = role_kind::supervisor}, {director}});
  out.roles.push_back({director, together({shards, evaluators, {checkpointer, recorder}})});
  const auto share = j.microbatches / static_cast<std::uint32_t>(r);
  for (int i = 0; i < r; ++i) {
    const microbatch_range own{static_cast<std::uint32_t>(i) * share, share};
    out.roles.push_back(
        {numbered(role_kind::data_loader, i), {shards[static_cast<std::size_t>(i)]}, own});
    out.roles.push_back(
        {shards[static_cast<std::size_t>(i)],
         together({{numbered(role_kind::data_loader, i), director}, aggregators, holders}),
         own,
         {0},
         one_stage(share)});
  }
  for (int i = 0; i < h; ++i) {
    out.roles.push_back(
        {aggregators[static_cast<std::size_t>(i)], {holders[static_cast<std::size_t>(i)]}});
    out.roles.push_back({holders[static_cast<std::size_t>(i)],
                         together({shards, evaluators, {director, checkpointer}})});
  }
  for (const auto& e : evaluators)
    out.roles.push_back({e, together({holders, {director}})});
  out.roles.push_back({checkpointer, together({holders, {director}})});
  out.roles.push_back({recorder, {}});
  out.job = std::move(j);
  return out;
}

std::vector<address> wiring::of(role_kind role) const {
  std::vector<address> out;
  for (const auto& r : roles)
    if (r.where.role == role) out.push_back(r.where);
  return out;
}

std::string wiring::text() const {
  std::string out = fmt::format("wiring {}: {} actors\n", name, roles.size());
  for (const auto& role : roles) {
    std::string line = fmt::format("  {:<24}", role.where.text());
    if (role.where.role == role_kind::layer_shard || role.where.role == role_kind::data_loader) {
      const auto& m = role.microbatches;
      line += m.count == 1 ? fmt::format(" microbatch {} ", m.first)
                           : fmt::format(" microbatches {}..{} ", m.first, m.first + m.count - 1);
    }
    if (!role.talks_to.empty()) {
      line += " ->";
      for (const auto& peer : role.talks_to)
        line += " " + peer.text();
    }
    out += line + "\n";
  }
  return out;
}

} // namespace troupe
