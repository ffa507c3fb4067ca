#include "actors/runtime/figures_board.hpp"

#include <algorithm>
#include <functional>
#include <iterator>

namespace troupe {

namespace {

// What grows from link to link; `to` keeps the rest.
void add_sent(link_figures& to, const link_figures& more) {
  to.bytes += more.bytes;
  to.messages += more.messages;
  to.resent += more.resent;
  to.reconnections += more.reconnections;
}

void fell(link_figures& link) {
  link.stands = false;
  link.waiting_bytes = link.in_flight_bytes = link.credit_bytes = 0;
}

link_figures figures_of(const net::link_report& r, std::uint32_t me) {
  return {.from = me,
          .to = r.who.node,
          .stands = std::all_of(std::begin(r.connected), std::end(r.connected), std::identity()),
          .bytes = r.counts.bytes_sent,
          .messages = r.counts.parcels_sent,
          .resent = r.counts.resent,
          .reconnections = r.reconnections,
          .waiting_bytes = r.counts.waiting_bytes,
          .in_flight_bytes = r.counts.unacknowledged_bytes,
          .credit_bytes = r.counts.credit_bytes,
          .round_trip_ns = static_cast<std::uint64_t>(r.counts.round_trip.count())};
}

} // namespace

order::traffic traffic_of(const net::node_report& r,
                          const std::map<std::uint32_t, std::uint32_t>& ordinals) {
  order::traffic out;
  for (const net::link_report& one : r.links)
    if (const auto ordinal = ordinals.find(one.who.node); ordinal != ordinals.end())
      out.samples.push_back({ordinal->second, figures_of(one, r.me.node)});
  return out;
}

void figures_board::note(std::uint32_t node, bool is_up, std::uint32_t lost, duration now) {
  node_row& row = nodes_.at(node);
  if (row.figures.is_up != is_up || row.figures.lost != lost) row.changed = now;
  row.figures.is_up = is_up;
  row.figures.lost = lost;
  if (is_up) return;
  for (auto& [ends, link] : links_)
    if (ends.first == node || ends.second == node) fell(link.now);
}

void figures_board::note(const net::node_life& from, const order::traffic& all) {
  for (auto& [ends, link] : links_)
    if (ends.first == from.node) fell(link.now); // unless it says so
  for (const auto& [ordinal, said] : all.samples) {
    if (from.node >= nodes_.size() || said.to >= nodes_.size()) continue; // no part of the job
    const auto [at, fresh] = links_.try_emplace({from.node, said.to});
    link_row& row = at->second;
    if (!fresh && (row.life != from.life || row.ordinal != ordinal)) {
      add_sent(row.before, row.now);
      ++row.before.reconnections; // another link is one more
    }
    row.life = from.life;
    row.ordinal = ordinal;
    row.now = said;
    row.now.from = from.node;
  }
}

cluster_figures figures_board::all(duration now) const {
  cluster_figures out{.at = now};
  for (std::size_t n = 0; n < nodes_.size(); ++n) {
    out.nodes.push_back(nodes_[n].figures);
    out.nodes.back().node = static_cast<std::uint32_t>(n);
    out.nodes.back().since = now - nodes_[n].changed;
  }
  for (const auto& [ends, row] : links_) {
    out.links.push_back(row.now);
    add_sent(out.links.back(), row.before);
  }
  return out;
}

} // namespace troupe
