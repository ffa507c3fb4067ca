#include "troupe/dials.hpp"

#include "actors/depth_credit.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

namespace troupe {

namespace {

bool lists_loader(const wired_role& shard) {
  return shard.talks_to.empty() ||
         std::any_of(shard.talks_to.begin(), shard.talks_to.end(), [](const address& a) {
           return a.role == role_kind::data_loader;
         });
}

std::uint64_t kept_most(const wired_role& shard) {
  std::uint64_t out = 0;
  for (const auto& [part, kept] : depth_credit::kept_by(shard.schedule))
    out = std::max(out, kept);
  return out;
}

std::vector<credit_edges> edges_of(const wiring& w, credit_kind kind) {
  auto out = credit_edges_of(w);
  std::erase_if(out, [&](const credit_edges& e) { return e.kind != kind; });
  return out;
}

std::string names_of(const std::vector<credit_edges>& edges) {
  constexpr std::size_t names_max = 8;
  std::vector<std::string> out;
  for (const auto& e : edges) {
    if (out.size() == names_max) {
      out.push_back("...");
      break;
    }
    out.push_back(e.who.text());
  }
  return fmt::format("{}", fmt::join(out, ", "));
}

error_text no_edges(const wiring& w, credit_kind kind) {
  if (kind == credit_kind::staleness)
    return {.what = "a synchronous job has no staleness",
            .why = "every gradient is of the newest parameters",
            .help = "--topology parameter-server --consistency ssp:4"};
  if (kind == credit_kind::depth && w.stash_weights)
    return {.what = "stages that stash weights have no dial for their depth",
            .why = "how far forward runs ahead of backward decides with which weights a stage "
                   "computes: it is part of the result",
            .help = "choose --stages, or leave --stash-weights out"};
  return {.what = fmt::format("this wiring has no edge with {}", credit_text(kind)),
          .why = fmt::format("it is {}", w.name)};
}

error_text wrong_actor(const wiring& w, const dial& d, const std::vector<credit_edges>& edges) {
  const bool played = w.find(*d.of) != nullptr;
  std::vector<std::string> names;
  for (const auto& e : edges)
    names.push_back(e.who.text());
  const auto near = did_you_mean(d.of->text(), names.data(), names.data() + names.size());
  return {.what = played
                      ? fmt::format("{} holds no credit for {}", d.of->text(), credit_text(d.kind))
                      : fmt::format("nobody plays {}", d.of->text()),
          .why = fmt::format("{} is held by {}", credit_text(d.kind), names_of(edges)),
          .help = near.empty() ? "name one of them, or none for all"
                               : fmt::format("did you mean '{}'?", near)};
}

std::optional<error_text> wrong_value(const dial& d, const std::vector<credit_edges>& edges) {
  std::uint64_t most = 0;
  for (const auto& e : edges)
    if (!d.of || e.who == *d.of) most = std::max(most, e.most);
  if (d.kind == credit_kind::depth && d.value == 0)
    return error_text{.what = "a depth of 0 lets no microbatch through",
                      .help = fmt::format("use 1 to {}", most)};
  if (d.value <= most) return {};
  if (d.kind == credit_kind::depth)
    return error_text{
        .what = fmt::format("a depth of {} is more than the schedule keeps", d.value),
        .why = fmt::format("programs are there for {} in flight", most),
        .help =
            fmt::format("use 1 to {}, or a schedule that keeps more, e.g. --pipeline gpipe", most)};
  return error_text{.what = fmt::format("a prefetch of {} steps is too much", d.value),
                    .why = "their batches wait in memory",
                    .help = fmt::format("use 0 to {}", most)};
}

// The forwards of a part of a replica, in the order of its list.
std::map<int, std::vector<std::uint32_t>> forwards_of(const wiring& w, int replica) {
  std::map<int, std::vector<std::uint32_t>> out;
  for (const auto& role : w.roles)
    if (role.where.role == role_kind::layer_shard && std::cmp_equal(role.where.replica, replica))
      for (const auto& op : role.schedule)
        if (op.kind == op_kind::forward) out[op.part].push_back(op.microbatch);
  return out;
}

// Lists whose forwards differ can be followed, but not left: see depth_credit.hpp.
std::optional<error_text> differing_order(const wiring& w, const dial& d) {
  for (const auto& e : edges_of(w, credit_kind::depth)) {
    if ((d.of && e.who != *d.of) || d.value >= e.most) continue;
    const auto forwards = forwards_of(w, e.who.replica);
    const auto& first = *forwards.begin();
    for (const auto& [part, order] : forwards)
      if (order != first.second)
        return error_text{
            .what = fmt::format("replica {} cannot keep fewer microbatches than its schedule",
                                e.who.replica),
            .why = fmt::format("part {} takes them in the order {}, part {} in the order {}; with "
                               "fewer in flight one would wait for the other",
                               first.first,
                               fmt::join(first.second, " "),
                               part,
                               fmt::join(order, " ")),
            .help = "write the forwards of all parts in one order"};
  }
  return {};
}

} // namespace

std::vector<credit_edges> credit_edges_of(const wiring& w) {
  std::vector<credit_edges> out;
  for (const auto& role : w.roles) {
    if (role.where.role == role_kind::layer_shard) {
      if (lists_loader(role)) out.push_back({credit_kind::prefetch, role.where, 1, prefetch_max});
      const auto kept = kept_most(role);
      if (!w.stash_weights && kept > 0) out.push_back({credit_kind::depth, role.where, kept, kept});
    }
    if (role.where.role == role_kind::parameter_holder && role.where.stage == 0 &&
        w.order.as_they_come())
      out.push_back({credit_kind::staleness,
                     role.where,
                     w.order.kind == consistency_kind::bounded ? w.order.staleness : no_bound,
                     no_bound});
  }
  return out;
}

std::string credit_text(const wiring& w) {
  std::vector<std::string> out;
  for (const auto kind : {credit_kind::prefetch, credit_kind::depth, credit_kind::staleness}) {
    const auto edges = edges_of(w, kind);
    if (edges.empty()) continue;
    const auto [least, most] =
        std::minmax_element(edges.begin(), edges.end(), [](const auto& a, const auto& b) {
          return a.initial < b.initial;
        });
    std::string said = fmt::format("{} {}", credit_text(kind), least->initial);
    if (least->initial == no_bound) said = fmt::format("{} unbounded", credit_text(kind));
    if (least->initial != most->initial) said += fmt::format(" to {}", most->initial);
    out.push_back(said);
  }
  return fmt::format("{}", fmt::join(out, ", "));
}

std::vector<error_text> mistakes_of(const wiring& w, const dial& d) {
  std::vector<error_text> out;
  const auto tell = [&](error_text wrong) {
    wrong.where = "--dial " + text(d);
    out.push_back(std::move(wrong));
  };
  const auto edges = edges_of(w, d.kind);
  const bool known = !d.of || std::any_of(edges.begin(), edges.end(), [&](const auto& e) {
    return e.who == *d.of;
  });
  if (edges.empty()) {
    tell(no_edges(w, d.kind));
  } else if (!known) {
    tell(wrong_actor(w, d, edges));
  } else if (auto wrong = wrong_value(d, edges)) {
    tell(std::move(*wrong));
  } else if (d.kind == credit_kind::depth) {
    if (auto differing = differing_order(w, d)) tell(std::move(*differing));
  }
  if (d.step < 0 || d.step >= w.job.total_steps())
    tell({.what = fmt::format("step {} is not a step of this job", d.step),
          .why = fmt::format("its steps are 0 to {}", w.job.total_steps() - 1)});
  return out;
}

} // namespace troupe
