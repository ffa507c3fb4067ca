#include "actors/wait_graph.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <tuple>

namespace troupe {

namespace {

using std::chrono::nanoseconds;

// Where it is not known what is on its way, so long does nobody of a circle get further.
constexpr nanoseconds circle_quiet = std::chrono::seconds(1);

constexpr std::size_t no_one = ~std::size_t{0};

std::string duration_text(nanoseconds t) {
  const double seconds = std::chrono::duration<double>(t).count();
  return seconds < 1 ? fmt::format("{:.3g} ms", seconds * 1e3) : fmt::format("{:.3g} s", seconds);
}

// Follows the waits from the director on, each actor once, and notes whom it meets.
class inquiry {
public:
  explicit inquiry(const wait_graph& g) : g_(g), reached_(g.actors.size()) {
    for (std::size_t i = 0; i < g.actors.size(); ++i)
      places_[g.actors[i].who] = i;
    for (const auto& m : g.mail)
      mail_[{m.from, m.to}] = &m;
  }

  wait_verdict verdict();

private:
  struct arrival {
    bool there = false;
    std::size_t from = no_one; // who waits for it
    wait what;
  };

  [[nodiscard]] std::size_t place(const address& who) const {
    const auto found = places_.find(who);
    return found == places_.end() ? no_one : found->second;
  }

  [[nodiscard]] const mail_on_its_way* mail(const address& a, const address& b) const {
    const auto found = mail_.find({a, b});
    return found == mail_.end() ? nullptr : found->second;
  }

  [[nodiscard]] std::vector<wait> waits_of(const waiting_actor& a) const;
  [[nodiscard]] bool is_of_interest(const waiting_actor& a) const;
  [[nodiscard]] static bool computes(const waiting_actor& a);
  void begin();
  void reach(std::size_t who, std::size_t from, const wait& what);
  void look_at(std::size_t who);
  bool look_at_node(const waiting_actor& a);
  void look_at_state(const waiting_actor& a);
  void look_at_mail(const waiting_actor& a, const wait& w);
  void suspect_cut(const mail_on_its_way& m, const waiting_actor& waiting, const wait* w);
  void note(blame why, const waiting_actor& who, std::string text);
  [[nodiscard]] std::string down_text(const waiting_actor& a) const;
  [[nodiscard]] std::vector<wait_step> path_to(std::size_t who) const;
  void find_circles();
  [[nodiscard]] bool may_be_in_circle(const waiting_actor& a) const;
  [[nodiscard]] std::vector<std::vector<std::size_t>> firm_waits() const;
  void note_circle(const std::vector<std::vector<std::size_t>>& next,
                   const std::vector<std::size_t>& members);
  void suspect_other_cuts();

  const wait_graph& g_;
  std::map<address, std::size_t> places_;
  std::map<std::pair<address, address>, const mail_on_its_way*> mail_;
  std::vector<arrival> reached_;
  std::deque<std::size_t> to_do_;
  std::set<std::pair<std::uint32_t, std::uint32_t>> links_, nodes_; // that were suspected
  std::vector<suspect> suspects_;
};

// Whoever is down waits for its supervisor.
std::vector<wait> inquiry::waits_of(const waiting_actor& a) const {
  if (a.state != actor_state::down) return a.waits;
  if (a.who.role == role_kind::supervisor) return {};
  return {{.what = wait_kind::restart, .from = address{.role = role_kind::supervisor}}};
}

bool inquiry::is_of_interest(const waiting_actor& a) const {
  return !a.waits.empty() || a.state != actor_state::alive || g_.node(a.node) != nullptr;
}

// Where it is alive, its computation has no thread yet.
bool inquiry::computes(const waiting_actor& a) {
  return std::any_of(a.waits.begin(), a.waits.end(), [](const wait& w) {
    return w.what == wait_kind::computation;
  });
}

// All that is wrong matters to the director, sooner or later; where it waits for nobody, or is not
// known here, each who waits counts.
void inquiry::begin() {
  const auto first = place({.role = role_kind::director});
  if (first != no_one && is_of_interest(g_.actors[first])) return reach(first, no_one, {});
  for (std::size_t i = 0; i < g_.actors.size(); ++i)
    if (is_of_interest(g_.actors[i])) reach(i, no_one, {});
}

void inquiry::reach(std::size_t who, std::size_t from, const wait& what) {
  if (who == no_one || reached_[who].there) return;
  reached_[who] = {true, from, what};
  to_do_.push_back(who);
}

std::vector<wait_step> inquiry::path_to(std::size_t who) const {
  std::vector<wait_step> out;
  for (auto at = who; at != no_one && reached_[at].from != no_one; at = reached_[at].from)
    out.push_back({g_.actors[reached_[at].from].who, reached_[at].what});
  std::reverse(out.begin(), out.end());
  return out;
}

void inquiry::note(blame why, const waiting_actor& who, std::string text) {
  suspects_.push_back({.why = why,
                       .who = who.who,
                       .node = who.node,
                       .path = path_to(place(who.who)),
                       .since = who.quiet,
                       .text = std::move(text)});
}

bool inquiry::look_at_node(const waiting_actor& a) {
  const auto* n = g_.node(a.node);
  if (n == nullptr || n->state == node_state::there) return false;
  if (!nodes_.insert({a.node, 0}).second) return true;
  const auto why = n->state == node_state::paused   ? blame::paused_node
                   : n->state == node_state::silent ? blame::silent_node
                                                    : blame::missing_node;
  const char* what = n->state == node_state::paused   ? "is paused"
                     : n->state == node_state::silent ? "does not answer"
                                                      : "is not there";
  note(why, a, fmt::format("node {} {}{}", a.node, what, n->why.empty() ? "" : ": " + n->why));
  return true;
}

std::string inquiry::down_text(const waiting_actor& a) const {
  std::string out = a.who.text() + " is down";
  const auto boss = place({.role = role_kind::supervisor});
  if (boss == no_one) return out;
  for (const wait& w : g_.actors[boss].waits)
    if (w.what == wait_kind::backoff && w.from == a.who)
      return out + fmt::format("; its supervisor starts it again in {}", duration_text(w.due));
  return out + ", and is not started again yet";
}

void inquiry::look_at_state(const waiting_actor& a) {
  const auto for_so_long = a.quiet.value_or(nanoseconds(0)).count() > 0
                               ? " for " + duration_text(*a.quiet)
                               : std::string();
  switch (a.state) {
  case actor_state::down:
    return note(blame::down, a, down_text(a));
  case actor_state::handling:
    return note(blame::stuck,
                a,
                fmt::format("{} has not come back from a handler{}", a.who.text(), for_so_long));
  case actor_state::unasked: // who has its thread is to blame
    for (std::size_t i = 0; i < g_.actors.size(); ++i)
      if (g_.actors[i].node == a.node && g_.actors[i].state == actor_state::handling)
        reach(i, place(a.who), {});
    return note(
        blame::computing, a, fmt::format("{} has not answered: no thread was free", a.who.text()));
  case actor_state::starting:
    return note(blame::starting, a, fmt::format("{} is starting", a.who.text()));
  case actor_state::computing:
    return note(
        blame::computing,
        a,
        a.remaining.count() > 0
            ? fmt::format("{} computes, and will for {}", a.who.text(), duration_text(a.remaining))
            : a.who.text() + " computes" + (for_so_long.empty() ? "" : ", and has got no further") +
                  for_so_long);
  case actor_state::alive:
    if (computes(a))
      note(blame::computing,
           a,
           fmt::format("{} waits for a core to compute on{}", a.who.text(), for_so_long));
    if (a.waits.empty()) note(blame::idle, a, fmt::format("{} has nothing to do", a.who.text()));
  }
}

void inquiry::suspect_cut(const mail_on_its_way& m, const waiting_actor& waiting, const wait* w) {
  if (!links_.insert({m.from_node, m.to_node}).second) return;
  auto path = path_to(place(waiting.who));
  if (w != nullptr) path.push_back({waiting.who, *w});
  suspects_.push_back(
      {.why = blame::cut_link,
       .who = waiting.who,
       .node = m.from_node,
       .to_node = m.to_node,
       .path = std::move(path),
       .since = m.age,
       .text = fmt::format("the link from node {} to node {} is cut: {} from {} to {} wait{}",
                           m.from_node,
                           m.to_node,
                           m.messages == 1 ? "a message" : fmt::format("{} messages", m.messages),
                           m.from.text(),
                           m.to.text(),
                           m.messages == 1 ? "s" : "")});
}

// What it waits for, or what it has asked, may be on its way.
void inquiry::look_at_mail(const waiting_actor& a, const wait& w) {
  for (const auto* m : {mail(*w.from, a.who), mail(a.who, *w.from)}) {
    if (m == nullptr) continue;
    if (m->cut) {
      suspect_cut(*m, a, &w);
      continue;
    }
    suspects_.push_back(
        {.why = blame::on_its_way,
         .who = a.who,
         .node = a.node,
         .path = path_to(place(a.who)),
         .since = m->age,
         .text = fmt::format("what {} said to {} is on its way", m->from.text(), m->to.text())});
    suspects_.back().path.push_back({a.who, w});
  }
}

void inquiry::look_at(std::size_t who) {
  const waiting_actor& a = g_.actors[who];
  if (look_at_node(a)) return;
  look_at_state(a);
  if (a.state == actor_state::handling || a.state == actor_state::unasked) return;
  for (const wait& w : waits_of(a)) {
    if (!w.from || w.what >= wait_kind::backoff) continue;
    look_at_mail(a, w);
    reach(place(*w.from), who, w);
  }
}

bool inquiry::may_be_in_circle(const waiting_actor& a) const {
  if (a.state != actor_state::alive || g_.node(a.node) != nullptr || computes(a)) return false;
  return g_.knows_mail || (a.unheard == 0 && a.quiet && *a.quiet >= circle_quiet);
}

// For whom each actor waits, and for nothing that is on its way: with the oldest step alone. What
// it wants of later ones is not what the others wait for now.
std::vector<std::vector<std::size_t>> inquiry::firm_waits() const {
  const auto step_of = [](const wait& w) { return w.step == wait::no_step ? 0 : w.step; };
  std::vector<std::vector<std::size_t>> out(g_.actors.size());
  for (std::size_t i = 0; i < g_.actors.size(); ++i) {
    const waiting_actor& a = g_.actors[i];
    if (!reached_[i].there || !may_be_in_circle(a)) continue;
    auto oldest = wait::no_step;
    for (const wait& w : a.waits)
      oldest = std::min(oldest, step_of(w));
    for (const wait& w : a.waits) {
      if (!w.from || w.guessed || w.what >= wait_kind::backoff || step_of(w) != oldest) continue;
      const auto to = place(*w.from);
      if (to == no_one || !may_be_in_circle(g_.actors[to])) continue;
      if (mail(*w.from, a.who) == nullptr && mail(a.who, *w.from) == nullptr) out[i].push_back(to);
    }
  }
  return out;
}

// Strongly connected components (Tarjan, "Depth-first search and linear graph algorithms", SIAM J.
// Comput. 1972), without recursion: a wiring may have a hundred thousand actors in a row.
void inquiry::find_circles() {
  const auto next = firm_waits();
  const auto n = next.size();
  constexpr std::size_t unseen = no_one;
  std::vector<std::size_t> number(n, unseen), low(n, 0), at(n, 0), open, calls;
  std::vector<bool> is_open(n, false);
  std::size_t count = 0;
  const auto enter = [&](std::size_t v) {
    number[v] = low[v] = count++;
    open.push_back(v);
    is_open[v] = true;
    calls.push_back(v);
  };
  for (std::size_t root = 0; root < n; ++root) {
    if (number[root] != unseen || next[root].empty()) continue;
    enter(root);
    while (!calls.empty()) {
      const auto v = calls.back();
      if (at[v] < next[v].size()) {
        const auto w = next[v][at[v]++];
        if (number[w] == unseen)
          enter(w);
        else if (is_open[w])
          low[v] = std::min(low[v], number[w]);
        continue;
      }
      calls.pop_back();
      if (!calls.empty()) low[calls.back()] = std::min(low[calls.back()], low[v]);
      if (low[v] != number[v]) continue;
      std::vector<std::size_t> members;
      for (bool more = true; more;) {
        members.push_back(open.back());
        is_open[open.back()] = false;
        more = open.back() != v;
        open.pop_back();
      }
      if (members.size() > 1) note_circle(next, members);
    }
  }
}

// One circle of those that are all on circles with each other.
void inquiry::note_circle(const std::vector<std::vector<std::size_t>>& next,
                          const std::vector<std::size_t>& members) {
  const std::set<std::size_t> inside(members.begin(), members.end());
  std::vector<std::size_t> walk{*inside.begin()};
  std::map<std::size_t, std::size_t> seen{{walk.front(), 0}};
  for (;;) {
    const auto& to = next[walk.back()];
    walk.push_back(*std::find_if(
        to.begin(), to.end(), [&](std::size_t each) { return inside.contains(each); }));
    const auto [found, fresh] = seen.emplace(walk.back(), walk.size() - 1);
    if (fresh) continue;
    walk.erase(walk.begin(), walk.begin() + static_cast<std::ptrdiff_t>(found->second));
    break;
  }
  std::string names;
  for (const auto each : walk)
    names += (names.empty() ? "" : " -> ") + g_.actors[each].who.text();
  walk.pop_back();
  suspect out{.why = blame::circle,
              .who = g_.actors[walk.front()].who,
              .node = g_.actors[walk.front()].node,
              .path = path_to(walk.front()),
              .since = g_.actors[walk.front()].quiet,
              .text = "a deadlock, each waits for the next: " + names};
  for (const auto each : walk)
    out.circle.push_back(g_.actors[each].who);
  suspects_.push_back(std::move(out));
}

// What waits there may be what somebody waits for without knowing it.
void inquiry::suspect_other_cuts() {
  for (const auto& m : g_.mail)
    if (m.cut && place(m.to) != no_one) suspect_cut(m, g_.actors[place(m.to)], nullptr);
}

wait_verdict inquiry::verdict() {
  wait_verdict out;
  if (g_.over) return out;
  begin();
  for (; !to_do_.empty(); to_do_.pop_front())
    look_at(to_do_.front());
  find_circles();
  suspect_other_cuts();
  const auto remaining = [&](const suspect& s) {
    const auto at = place(s.who);
    return at == no_one ? nanoseconds(0) : g_.actors[at].remaining;
  };
  const auto worse = [&](const suspect& a, const suspect& b) {
    return std::tuple(a.why, -remaining(a), -a.since.value_or(nanoseconds(0)), a.path.size()) <
           std::tuple(b.why, -remaining(b), -b.since.value_or(nanoseconds(0)), b.path.size());
  };
  std::stable_sort(suspects_.begin(), suspects_.end(), worse);
  out.suspects = std::move(suspects_);
  for (const auto& a : g_.actors) {
    if (!a.waits.empty()) ++out.waiting;
    if (a.who.role != role_kind::director) continue;
    for (const wait& w : a.waits)
      out.step = std::min(out.step, w.step);
  }
  return out;
}

template <class List, class Key>
auto* found_in(List& list, Key key) {
  const auto at = std::find_if(list.begin(), list.end(), key);
  return at == list.end() ? nullptr : &*at;
}

} // namespace

const waiting_actor* wait_graph::find(const address& who) const {
  const auto at = std::lower_bound(
      actors.begin(), actors.end(), who, [](const auto& a, const auto& w) { return a.who < w; });
  return at == actors.end() || at->who != who ? nullptr : &*at;
}

const waiting_node* wait_graph::node(std::uint32_t number) const {
  return found_in(nodes,
                  [&](const auto& n) { return n.node == number && n.state != node_state::there; });
}

bool wait_verdict::is_held_up() const {
  return !suspects.empty() && suspects.front().why <= blame::circle;
}

const char* blame_name(blame b) {
  constexpr const char* names[] = {"cut_link",
                                   "missing_node",
                                   "silent_node",
                                   "paused_node",
                                   "down",
                                   "stuck",
                                   "circle",
                                   "computing",
                                   "on_its_way",
                                   "starting",
                                   "idle"};
  return names[static_cast<std::size_t>(b)];
}

const char* state_name(actor_state s) {
  constexpr const char* names[] = {"alive", "computing", "handling", "unasked", "starting", "down"};
  return names[static_cast<std::size_t>(s)];
}

const char* state_name(node_state s) {
  constexpr const char* names[] = {"there", "paused", "silent", "missing"};
  return names[static_cast<std::size_t>(s)];
}

wait_verdict verdict_of(const wait_graph& g) {
  return inquiry(g).verdict();
}

} // namespace troupe
