#include "actors/runtime/simulation/stuck.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>

namespace troupe::simulation {

namespace {

constexpr std::size_t actors_told_max = 24;

double milliseconds(instant t) {
  return std::chrono::duration<double, std::milli>(t).count();
}

std::string text_of(const seat& s, const std::vector<seat>& seats) {
  std::string out = fmt::format("{} on node {}, incarnation {}", s.who.text(), s.node, s.life);
  if (s.now == seat::phase::down) return out + ": down";
  if (s.now == seat::phase::starting) return out + ": starting";
  if (s.messages == 0) return out + ": has heard nothing";
  out += fmt::format(": last heard {}{} from {} at {:.3f} ms",
                     message_name(s.last.kind),
                     s.last.step != seat::no_step ? fmt::format(" of step {}", s.last.step) : "",
                     seats[s.last.from].who.text(),
                     milliseconds(s.heard_at));
  if (const auto what = s.player->waiting(); !what.empty()) out += "; waits: " + what;
  if (!s.computing.empty()) out += fmt::format(", {} computations", s.computing.size());
  return out;
}

// Those who have heard nothing for longest first: the others wait for them. Who has never heard
// anything is not in the way.
instant silent_since(const seat& s) {
  return s.messages == 0 ? instant::max() : s.heard_at;
}

} // namespace

error_text stuck_text(const simulation_model& model,
                      const event_queue& events,
                      const network& net,
                      const std::vector<std::unique_ptr<simulated_node>>& nodes,
                      const std::set<int>& absent,
                      const std::vector<seat>& seats) {
  error_text out;
  out.what = events.empty() ? "nobody can go on: nothing is left to happen"
                            : fmt::format("no end after {} s of virtual time",
                                          std::chrono::duration<double>(model.time_max).count());
  out.where = fmt::format("{:.3f} ms, seed {}", milliseconds(events.now()), model.seed);
  if (const auto cuts = net.cuts_text(); !cuts.empty()) out.why += "cut links: " + cuts + "\n  ";
  for (std::size_t n = 0; n < nodes.size(); ++n)
    if (nodes[n] && nodes[n]->is_paused()) out.why += fmt::format("node {} is paused\n  ", n);
  for (const int number : absent)
    out.why += fmt::format("node {} is not there\n  ", number);
  std::vector<const seat*> order;
  for (const seat& s : seats)
    order.push_back(&s);
  std::stable_sort(order.begin(), order.end(), [](const seat* a, const seat* b) {
    const bool gone = a->now == seat::phase::down, other = b->now == seat::phase::down;
    return gone != other ? gone : silent_since(*a) < silent_since(*b);
  });
  for (std::size_t i = 0; i < std::min(order.size(), actors_told_max); ++i)
    out.why += fmt::format("{}{}", i > 0 ? "\n  " : "", text_of(*order[i], seats));
  if (order.size() > actors_told_max)
    out.why += fmt::format("\n  and {} more", order.size() - actors_told_max);
  out.help = "the same seed and options stop here again";
  return out;
}

} // namespace troupe::simulation
