#include "net/dial_list.hpp"

#include "ops/random.hpp"

#include <algorithm>

namespace troupe::net {

void dial_list::add(const std::string& endpoint, const std::string& server_key, bool learned) {
  for (place& p : places_)
    if (p.endpoint == endpoint) {
      if (!learned || p.learned) {
        p.abandoned = false;
        p.server_key = server_key;
      }
      p.learned = p.learned && learned;
      return;
    }
  place fresh;
  fresh.endpoint = endpoint;
  fresh.server_key = server_key;
  fresh.learned = learned;
  places_.push_back(std::move(fresh));
}

// The lines that are closed and should not be.
template <class Visitor>
void dial_list::each_wanted(const question& is_linked, bool one, Visitor visit) const {
  const bool busy = std::any_of(
      places_.begin(), places_.end(), [](const place& p) { return p.lines[0].id != 0; });
  for (std::size_t i = 0; i < places_.size(); ++i) {
    const place& p = places_[i];
    if (p.abandoned) continue;
    const auto& small = p.lines[static_cast<int>(lane_kind::small)];
    const auto& bulk = p.lines[static_cast<int>(lane_kind::bulk)];
    if (small.id == 0 && !is_linked(p.peer) && !(one && busy))
      visit(order{i, lane_kind::small}, small.at);
    if (small.stands && bulk.id == 0) visit(order{i, lane_kind::bulk}, bulk.at);
  }
}

std::optional<dial_list::order>
dial_list::due(time_point now, const question& is_linked, bool one) const {
  std::optional<order> out;
  each_wanted(is_linked, one, [&](order what, time_point at) {
    if (!out && now >= at) out = what;
  });
  return out;
}

time_point dial_list::wake_at(const question& is_linked, bool one) const {
  time_point out = time_point::max();
  each_wanted(is_linked, one, [&](order, time_point at) { out = std::min(out, at); });
  return out;
}

void dial_list::opened(order what, connection id) {
  auto& line = places_[what.place].lines[static_cast<int>(what.lane)];
  line.id = id;
  line.stands = false;
  ++line.tries;
}

void dial_list::stands(order what) {
  places_[what.place].lines[static_cast<int>(what.lane)].stands = true;
}

void dial_list::works(order what) {
  places_[what.place].lines[static_cast<int>(what.lane)].tries = 0;
  places_[what.place].trouble.clear();
}

void dial_list::closed(order what, const std::string& why, time_point now) {
  place& p = places_[what.place];
  auto& line = p.lines[static_cast<int>(what.lane)];
  line.id = 0;
  line.stands = false;
  if (!why.empty()) p.trouble = why;
  // The first try after a success is at once.
  if (line.tries == 0) {
    line.at = now;
    return;
  }
  const auto doubled = options_.first_wait * (std::int64_t{1} << std::min(line.tries - 1, 20));
  const auto wait = std::min<std::chrono::nanoseconds>(doubled, options_.longest_wait);
  random_stream draw({.seed = seed_,
                      .purpose = random_purpose::backoff,
                      .a = what.place,
                      .b = static_cast<std::uint32_t>(line.tries)});
  // So that nodes which lost one connection do not all come back at one time.
  line.at = now + wait / 2 + wait * draw.below(1000) / 2000;
}

void dial_list::abandon(std::size_t index, const std::string& why) {
  places_[index].abandoned = true;
  places_[index].trouble = why;
}

void dial_list::abandon_all() {
  for (place& p : places_)
    p.abandoned = true;
}

void dial_list::ended(const node_life& peer) {
  for (place& p : places_)
    if (p.learned && p.peer == peer) p.abandoned = true;
}

std::vector<dial_report> dial_list::report() const {
  std::vector<dial_report> out;
  for (const place& p : places_)
    out.push_back({p.endpoint, p.peer.node, p.lines[0].tries, p.trouble, p.abandoned});
  return out;
}

} // namespace troupe::net
