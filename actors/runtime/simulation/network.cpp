#include "actors/runtime/simulation/network.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
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
  if (from == to) return model_.local_delay;
  return model_of(from, to).latency +
         (crosses_racks(from, to) ? model_.racks.latency : duration(0));
}

double network::port_rate(int node) const {
  const auto own = model_.nodes.find(node);
  const double rate = (own == model_.nodes.end() ? model_.node : own->second).bytes_per_second;
  return rate > 0 ? rate : model_.link.bytes_per_second;
}

bool network::crosses_racks(int from, int to) const {
  return model_.racks.nodes > 0 && from / model_.racks.nodes != to / model_.racks.nodes;
}

network::edge& network::edge_of(int from, int to) {
  const auto found = edges_.find({from, to});
  if (found != edges_.end()) return found->second;
  edge& e = edges_.try_emplace({from, to}, model_of(from, to)).first->second;
  e.latency = latency(from, to);
  e.use.from = from;
  e.use.to = to;
  const auto by = [&](place where, int a, int b, double rate) {
    if (std::isfinite(rate))
      e.passes.push_back(&shared_.try_emplace({where, a, b}, rate).first->second);
  };
  by(place::port_out, from, 0, port_rate(from));
  if (e.model.bytes_per_second < std::min(port_rate(from), port_rate(to)))
    by(place::own, from, to, e.model.bytes_per_second);
  if (crosses_racks(from, to)) {
    by(place::uplink_out, from / model_.racks.nodes, 0, model_.racks.bytes_per_second);
    by(place::uplink_in, to / model_.racks.nodes, 0, model_.racks.bytes_per_second);
  }
  by(place::port_in, to, 0, port_rate(to));
  return e;
}

void network::send(const flow& f, std::int64_t bytes, arrival arrive) {
  auto& order = channels_[{f.from, f.to, f.from_node, f.to_node}];
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
        {.when = events_.now() + exponential(duplicates_, 5 * e.latency + duration(500'000)),
         .happen = [arrive] { arrive(true); },
         .node = e.use.to});
  };
  pass(e,
       (std::uint64_t{f.from} << 32U) | f.to,
       bytes,
       [this, &e, &order, number, hear = std::move(hear)] {
         travel(e, [this, &order, number, hear] { in_order(order, number, hear); });
       });
}

void network::pass(edge& e, std::uint64_t pair, std::int64_t bytes, link::passed passed) {
  if (is_cut(e)) {
    e.unsent.emplace_back(
        [this, &e, pair, bytes, passed = std::move(passed)] { pass(e, pair, bytes, passed); });
    return;
  }
  if (e.passes.empty()) return passed();
  auto all =
      std::make_shared<std::pair<std::size_t, link::passed>>(e.passes.size(), std::move(passed));
  for (shared* s : e.passes) {
    s->carries.send(events_.now(), pair, bytes, [all] {
      if (--all->first == 0) all->second();
    });
    plan_end(*s);
  }
}

void network::plan_end(shared& s) {
  const auto end = s.carries.next_end();
  if (!end || *end >= s.planned) return; // that event plans again
  s.planned = *end;
  events_.push({.when = *end, .happen = [this, &s] { end_due(s); }});
}

void network::end_due(shared& s) {
  if (s.planned != events_.now()) return; // another was planned for an earlier time
  s.planned = instant::max();
  for (auto end = s.carries.next_end(); end && *end <= events_.now(); end = s.carries.next_end())
    s.carries.end_first(events_.now())();
  plan_end(s);
}

// What has passed everything takes its time.
void network::travel(edge& e, std::function<void()> arrive) {
  auto delay = e.latency + exponential(jitter_, e.model.jitter) + linger();
  while (chance(loss_, e.model.loss)) {
    ++e.use.resent;
    delay += e.model.resend_after;
  }
  events_.push({.when = events_.now() + delay,
                .happen =
                    [this, &e, arrive = std::move(arrive)] {
                      if (is_cut(e))
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

// What is on its way stays where it would have arrived, and what is sent stays at the sender; ports
// are not blocked by it.
void network::cut(int from, int to) {
  edge_of(from, to).cut = true;
}

void network::heal(int from, int to) {
  edge_of(from, to).cut = false;
  release();
}

void network::isolate(whole what, int number) {
  isolated_.insert({what, number});
}

void network::reconnect(whole what, int number) {
  isolated_.erase({what, number});
  release();
}

bool network::is_cut(const edge& e) const {
  if (e.cut || isolated_.empty()) return e.cut;
  for (const int end : {e.use.from, e.use.to})
    if (isolated_.contains({whole::node, end}) ||
        (crosses_racks(e.use.from, e.use.to) &&
         isolated_.contains({whole::rack, end / model_.racks.nodes})))
      return true;
  return false;
}

void network::release() {
  for (auto& [ends, e] : edges_) {
    if (is_cut(e)) continue;
    for (auto& arrive : std::exchange(e.held, {}))
      travel(e, std::move(arrive));
    for (auto& send : std::exchange(e.unsent, {}))
      send();
  }
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
  const auto add = [&](const std::string& what) { out += (out.empty() ? "" : ", ") + what; };
  for (const auto& [nodes, e] : edges_)
    if (e.cut) add(fmt::format("{} -> {}", nodes.first, nodes.second));
  for (const auto& [what, number] : isolated_)
    add(fmt::format("{} {}", what == whole::node ? "node" : "rack", number));
  return out;
}

} // namespace troupe::simulation
