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

network::network(const simulation_model& model, event_queue& events, letters& mail, hearing hear)
    : model_(model),
      events_(events),
      letters_(mail),
      hear_(std::move(hear)),
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

edge& network::edge_of(int from, int to) {
  const auto place =
      edge_places_.at_or(pair_of_nodes(from, to), static_cast<std::uint32_t>(edges_.size()));
  if (place < edges_.size()) return edges_[place];
  edge& e = edges_.emplace_back();
  e.model = &model_of(from, to);
  e.use.from = from;
  e.use.to = to;
  if (e.model->bytes_per_second < std::min(port_rate(from), port_rate(to)))
    e.own = std::make_unique<shared>(e.model->bytes_per_second, passage::link);
  return e;
}

network::port& network::port_of(int node, double rate) {
  const auto at = static_cast<std::size_t>(node);
  if (at >= ports_.size()) ports_.resize(at + 1);
  if (!ports_[at]) ports_[at] = std::make_unique<port>(rate, passage::port_out, passage::port_in);
  return *ports_[at];
}

network::port& network::uplink_of(int rack) {
  const auto at = static_cast<std::size_t>(rack);
  if (at >= uplinks_.size()) uplinks_.resize(at + 1);
  if (!uplinks_[at])
    uplinks_[at] = std::make_unique<port>(
        model_.racks.bytes_per_second, passage::uplink_out, passage::uplink_in);
  return *uplinks_[at];
}

channel& network::channel_of(const letter& l, int from_node) {
  const channel_key key{pair_of(l.from, l.to), pair_of_nodes(from_node, l.to_node)};
  const auto place = channel_places_.at_or(key, static_cast<std::uint32_t>(channels_.size()));
  if (place < channels_.size()) return channels_[place];
  channel& added = channels_.emplace_back();
  added.index = place;
  if (from_node != l.to_node) added.along = &edge_of(from_node, l.to_node);
  return added;
}

void network::send(letters::number t, int from_node) {
  letter& l = letters_[t];
  l.by = &channel_of(l, from_node);
  l.number = l.by->sent++;
  if (l.by->along == nullptr) {
    events_.push({.when = events_.now() + model_.local_delay + linger(),
                  .happen = [this, t] { arrive(t); },
                  .node = l.to_node,
                  .letter = t});
    return;
  }
  ++l.by->along->use.messages;
  l.by->along->use.bytes += static_cast<std::uint64_t>(l.bytes);
  pass(t);
}

void network::pass(letters::number t) {
  letter& l = letters_[t];
  edge& e = *l.by->along;
  if (is_cut(e)) {
    waiting_at(e).unsent.push_back(t);
    return;
  }
  channel& c = *l.by;
  if (c.heard != l.number) letters_[c.last].next = t;
  c.last = t;
  const int from = e.use.from, to = e.use.to;
  l.passed = events_.now();
  l.travels = travel_time(e);
  if (const auto fate = fates_.find(t); fate != fates_.end()) {
    e.use.resent += fate->second.lost ? 1 : 0;
    l.travels += fate->second.late + (fate->second.lost ? e.model->resend_after : duration(0));
  }
  const auto by = [&](shared& s) { carry(s, t); };
  const auto rate_out = port_rate(from), rate_in = port_rate(to);
  if (std::isfinite(rate_out)) by(port_of(from, rate_out).out);
  if (e.own) by(*e.own);
  if (crosses_racks(from, to) && std::isfinite(model_.racks.bytes_per_second)) {
    by(uplink_of(from / model_.racks.nodes).out);
    by(uplink_of(to / model_.racks.nodes).in);
  }
  if (std::isfinite(rate_in)) by(port_of(to, rate_in).in);
  if (l.passing == 0) plan_arrival(t);
}

// Of what it has to itself the end is known, and no event of its own. Others may still come.
void network::carry(shared& by, letters::number t) {
  letter& l = letters_[t];
  const auto sent = by.carries.send(events_.now(), letters_, t);
  if (sent.alone_until) {
    l.passed = std::max(l.passed, *sent.alone_until);
    return;
  }
  ++l.passing;
  if (sent.joined) {
    ++letters_[*sent.joined].passing;
    letters_[*sent.joined].plan = 0;
  }
  plan_end(by);
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
  for (auto end = s.carries.next_end(); end && *end <= events_.now(); end = s.carries.next_end()) {
    const auto t = s.carries.end_first(events_.now(), letters_);
    letters_[t].passed = std::max(letters_[t].passed, events_.now());
    if (--letters_[t].passing == 0) plan_arrival(t);
  }
  plan_end(s);
}

duration network::travel_time(edge& e) {
  auto out = latency(e.use.from, e.use.to) + exponential(jitter_, e.model->jitter) + linger();
  const auto lose = [&] {
    ++e.use.resent;
    out += e.model->resend_after;
  };
  if (e.to_lose > 0) {
    --e.to_lose;
    lose();
  }
  while (chance(loss_, e.model->loss))
    lose();
  return out;
}

void network::plan_arrival(letters::number t) {
  letter& l = letters_[t];
  l.plan = ++plans_;
  events_.push({.when = l.passed + l.travels,
                .happen =
                    [this, t, plan = l.plan] {
                      if (letters_[t].plan == plan) arrival_due(t); // else it was held up
                    },
                .node = l.to_node,
                .letter = t});
}

void network::arrival_due(letters::number t) {
  letters_[t].plan = 0;
  if (edge& e = *letters_[t].by->along; is_cut(e))
    waiting_at(e).held.push_back(t);
  else
    arrive(t);
}

// In the order in which it was sent.
void network::arrive(letters::number t) {
  channel& order = *letters_[t].by;
  if (letters_[t].number != order.heard) {
    early_.emplace(std::pair{order.index, letters_[t].number}, t);
    return;
  }
  ++order.heard;
  hear(t);
  if (early_.empty()) return;
  for (auto found = early_.find({order.index, order.heard}); found != early_.end();
       found = early_.find({order.index, order.heard})) {
    const auto early = found->second;
    early_.erase(found);
    ++order.heard;
    hear(early);
  }
}

void network::hear(letters::number t) {
  const letter& l = letters_[t];
  hear_(l, false);
  const auto copy = copy_after(t);
  if (!copy) return letters_.remove(t);
  ++l.by->along->use.duplicated;
  events_.push({.when = events_.now() + *copy,
                .happen =
                    [this, t] {
                      hear_(letters_[t], true);
                      letters_.remove(t);
                    },
                .node = l.to_node});
}

std::optional<duration> network::copy_after(letters::number t) {
  const edge* along = letters_[t].by->along;
  const auto fate = fates_.extract(t);
  if (along == nullptr) return {};
  if (fate && fate.mapped().copy_after) return fate.mapped().copy_after;
  if (!chance(duplicates_, along->model->duplicates)) return {};
  const auto mean = 5 * latency(along->use.from, along->use.to) + duration(500'000);
  return exponential(duplicates_, mean);
}

// What is on its way stays where it would have arrived, and what is sent stays at the sender; ports
// are not blocked by it.
void network::cut(int from, int to) {
  edge_of(from, to).cut = true;
}

void network::lose(int from, int to, int count) {
  edge_of(from, to).to_lose += count;
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

edge::stopped& network::waiting_at(edge& e) {
  if (!e.waiting) e.waiting = std::make_unique<edge::stopped>();
  return *e.waiting;
}

void network::release() {
  std::map<std::pair<int, int>, edge*> open; // in this order
  for (edge& e : edges_)
    if (e.waiting && !is_cut(e)) open[{e.use.from, e.use.to}] = &e;
  for (const auto& [nodes, e] : open) {
    const auto waiting = std::move(e->waiting);
    for (const auto t : waiting->held) {
      letters_[t].passed = events_.now();
      letters_[t].travels = travel_time(*e);
      plan_arrival(t);
    }
    for (const auto t : waiting->unsent)
      pass(t);
  }
}

bool network::chance(random_stream& draws, double probability) {
  return probability > 0 && static_cast<double>(draws.uniform()) < probability;
}

std::vector<simulation_report::link_use> network::use() const {
  std::vector<simulation_report::link_use> out;
  for (const edge& e : edges_)
    if (e.use.messages > 0) out.push_back(e.use);
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) {
    return std::pair(a.from, a.to) < std::pair(b.from, b.to);
  });
  return out;
}

bool network::is_held(const letter& l) const {
  return l.by != nullptr && l.by->along != nullptr && is_cut(*l.by->along);
}

std::string network::cuts_text() const {
  std::map<std::pair<int, int>, std::string> cuts;
  for (const edge& e : edges_)
    if (e.cut) cuts[{e.use.from, e.use.to}] = fmt::format("{} -> {}", e.use.from, e.use.to);
  std::string out;
  const auto add = [&](const std::string& what) { out += (out.empty() ? "" : ", ") + what; };
  for (const auto& [nodes, text] : cuts)
    add(text);
  for (const auto& [what, number] : isolated_)
    add(fmt::format("{} {}", what == whole::node ? "node" : "rack", number));
  return out;
}

} // namespace troupe::simulation
