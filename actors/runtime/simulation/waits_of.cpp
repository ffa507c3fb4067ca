#include "actors/runtime/simulation/waits_of.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

namespace troupe::simulation {

namespace {

std::string last_text(const seat& s, const std::vector<seat>& seats) {
  if (s.messages == 0) return {};
  return fmt::format("{}{} from {}",
                     message_name(s.last.kind),
                     s.last.step != seat::no_step ? fmt::format(" of step {}", s.last.step) : "",
                     seats[s.last.from].who.text());
}

actor_state state_of(const seat& s) {
  if (s.now == seat::phase::down) return actor_state::down;
  if (s.now == seat::phase::starting) return actor_state::starting;
  return s.computing.empty() ? actor_state::alive : actor_state::computing;
}

waiting_actor actor_at(const seat& s, const world_parts& w) {
  waiting_actor out{.who = s.who,
                    .life = s.life,
                    .node = static_cast<std::uint32_t>(s.node),
                    .state = state_of(s),
                    .quiet = w.now - s.heard_at,
                    .last = last_text(s, w.by_index)};
  if (s.now == seat::phase::down && s.death > 0)
    out.quiet = w.now - instant(static_cast<std::int64_t>(w.deaths[s.death - 1].seconds * 1e9));
  for (const auto& r : s.computing)
    out.remaining = std::max(out.remaining, r->ends - w.now);
  if (s.now == seat::phase::playing && s.player) out.waits = s.player->waits();
  return out;
}

// Of each pair of actors.
std::vector<mail_on_its_way> mail_of(const world_parts& w) {
  std::map<std::pair<std::uint32_t, std::uint32_t>, mail_on_its_way> out;
  w.mail.for_each([&](const letter& l) {
    if (l.from == l.to) return;
    auto& m = out[{l.from, l.to}];
    ++m.messages;
    m.age = std::max(m.age, w.now - l.sent);
    m.cut = m.cut || w.net.is_held(l);
    m.from_node = static_cast<std::uint32_t>(w.by_index[l.from].node);
    m.to_node = static_cast<std::uint32_t>(l.to_node);
  });
  std::vector<mail_on_its_way> all;
  for (auto& [seats, m] : out) {
    m.from = w.by_index[seats.first].who;
    m.to = w.by_index[seats.second].who;
    all.push_back(m);
  }
  return all;
}

} // namespace

wait_graph waits_of(const world_parts& w) {
  wait_graph out{.mail = mail_of(w), .knows_mail = true};
  for (const seat* s : w.by_address)
    out.actors.push_back(actor_at(*s, w));
  for (std::size_t n = 0; n < w.nodes.size(); ++n)
    if (w.nodes[n] && w.nodes[n]->is_paused())
      out.nodes.push_back({static_cast<std::uint32_t>(n), node_state::paused, {}});
  for (const int number : w.absent)
    out.nodes.push_back({static_cast<std::uint32_t>(number), node_state::missing, {}});
  return out;
}

} // namespace troupe::simulation
