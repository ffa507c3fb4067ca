#include "actors/runtime/simulation/network.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace troupe::simulation {

namespace {

duration exponential(random_stream& draws, duration mean) {
  if (mean.count() == 0) return mean;
  const double u = std::max(1e-7, 1.0 - static_cast<double>(draws.uniform()));
  return duration(static_cast<std::int64_t>(-std::log(u) * static_cast<double>(mean.count())));
}

} // namespace

network::network(const simulation_model& model, event_queue& events)
    : model_(model),
      events_(events),
      jitter_(stream_of(model.seed, draw::jitter)),
      loss_(stream_of(model.seed, draw::loss)),
      duplicates_(stream_of(model.seed, draw::duplicates)),
      exploring_(stream_of(model.seed, draw::exploring)) {
  constexpr float spreads[] = {50e-6F, 500e-6F, 5e-3F}; // shorter and longer than a kernel
  if (model_.order == exploration::anything) spread_seconds_ = spreads[exploring_.below(3)];
}

duration network::linger() {
  if (spread_seconds_ == 0) return {};
  return duration(static_cast<std::int64_t>(exploring_.uniform(0, spread_seconds_) * 1e9F));
}

const link_model& network::model_of(int from, int to) const {
  const auto found = model_.links.find({from, to});
  return found == model_.links.end() ? model_.link : found->second;
}

duration network::latency(int from, int to) const {
  return from == to ? model_.local_delay : model_of(from, to).latency;
}

network::edge& network::edge_of(int from, int to) {
  const auto found = edges_.find({from, to});
  if (found != edges_.end()) return found->second;
  return edges_.try_emplace({from, to}, model_of(from, to), from, to).first->second;
}

void network::send(const flow& f, std::int64_t bytes, arrival arrive) {
  auto& order = channels_[{f.from, f.to}];
  const auto number = order.sent++;
  if (f.from_node == f.to_node) {
    events_.push({.when = events_.now() + model_.local_delay + linger(),
                  .happen =
                      [this, &order, number, arrive = std::move(arrive)] {
                        in_order(order, number, [arrive] { arrive(false); });
                      },
                  .node = f.to_node});
    return;
  }
  edge& e = edge_of(f.from_node, f.to_node);
  ++e.use.messages;
  e.use.bytes += static_cast<std::uint64_t>(bytes);
  auto hear = [this, &e, arrive = std::move(arrive)] {
    arrive(false);
    if (!chance(duplicates_, e.model.duplicates)) return;
    ++e.use.duplicated;
    events_.push(
        {.when = events_.now() + exponential(duplicates_, 5 * e.model.latency + duration(500'000)),
         .happen = [arrive] { arrive(true); },
         .node = e.use.to});
  };
  e.pipe.send(events_.now(),
              (std::uint64_t{f.from} << 32U) | f.to,
              bytes,
              [this, &e, &order, number, hear = std::move(hear)] {
                travel(e, [this, &order, number, hear] { in_order(order, number, hear); });
              });
  plan_end(e);
}

void network::plan_end(edge& e) {
  const auto change = ++e.pipe.changes;
  if (const auto end = e.pipe.next_end())
    events_.push({.when = *end, .happen = [this, &e, change] {
                    if (change != e.pipe.changes) return;
                    const auto sent = e.pipe.end_first(events_.now());
                    plan_end(e);
                    sent();
                  }});
}

// From the sender's port to the receiver's.
void network::travel(edge& e, std::function<void()> arrive) {
  auto delay = e.model.latency + exponential(jitter_, e.model.jitter) + linger();
  while (chance(loss_, e.model.loss)) {
    ++e.use.resent;
    delay += e.model.resend_after;
  }
  events_.push({.when = events_.now() + delay,
                .happen =
                    [&e, arrive = std::move(arrive)] {
                      if (e.pipe.is_cut())
                        e.held.push_back(arrive);
                      else
                        arrive();
                    },
                .node = e.use.to});
}

void network::in_order(channel& c, std::uint64_t number, std::function<void()> hear) {
  if (number != c.heard) {
    c.early.emplace(number, std::move(hear));
    return;
  }
  ++c.heard;
  hear();
  while (!c.early.empty() && c.early.begin()->first == c.heard) {
    const auto next = c.early.extract(c.early.begin());
    ++c.heard;
    next.mapped()();
  }
}

void network::cut(int from, int to) {
  edge& e = edge_of(from, to);
  e.pipe.cut(events_.now());
  plan_end(e);
}

void network::heal(int from, int to) {
  edge& e = edge_of(from, to);
  if (!e.pipe.is_cut()) return;
  e.pipe.heal(events_.now());
  plan_end(e);
  for (auto& arrive : std::exchange(e.held, {}))
    travel(e, std::move(arrive));
}

bool network::chance(random_stream& draws, double probability) {
  return probability > 0 && static_cast<double>(draws.uniform()) < probability;
}

std::vector<simulation_report::link_use> network::use() const {
  std::vector<simulation_report::link_use> out;
  for (const auto& [nodes, e] : edges_)
    if (e.use.messages > 0) out.push_back(e.use);
  return out;
}

std::string network::cuts_text() const {
  std::string out;
  for (const auto& [nodes, e] : edges_)
    if (e.pipe.is_cut())
      out += fmt::format("{}{} -> {}", out.empty() ? "" : ", ", nodes.first, nodes.second);
  return out;
}

} // namespace troupe::simulation
