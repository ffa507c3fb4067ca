#include "actors/supervision/supervision.hpp"

#include "ops/random.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

namespace troupe {

namespace {

// The seventh delay of one child is the same in every run of a seed, whatever else happens.
std::uint64_t number_of(const std::string& id) {
  std::uint64_t out = 0xCBF29CE484222325U; // FNV-1a
  for (const char c : id)
    out = (out ^ static_cast<unsigned char>(c)) * 0x100000001B3U;
  return out;
}

} // namespace

supervision::supervision(supervision_tree tree, supervised_world& world)
    : tree_(std::move(tree)), world_(world) {
  add(nullptr, &tree_.root, 0);
}

void supervision::add(const child_spec* spec,
                      const supervisor_spec* supervises,
                      child_number parent) {
  const auto number = static_cast<child_number>(children_.size());
  children_.push_back({.spec = spec, .supervises = supervises, .parent = parent});
  if (spec != nullptr) by_id_[spec->id] = number;
  if (supervises != nullptr)
    for (const child_spec& c : supervises->children)
      add(&c, c.below.get(), number);
  children_[number].end = static_cast<child_number>(children_.size());
}

std::optional<child_number> supervision::find(const std::string& id) const {
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return {};
  return found->second;
}

bool supervision::lives(child_number who) const {
  const auto p = children_[who].now;
  return p == phase::starting || p == phase::ready || p == phase::stopping;
}

void supervision::begin(time_point now) {
  restart all;
  for (child_number c = 1; c < children_.size(); ++c)
    if (children_[c].supervises == nullptr) all.members.push_back(c);
  join(std::move(all), now);
}

void supervision::adopt() {
  for (child& c : children_) {
    c.now = phase::ready;
    c.life = 1;
  }
}

void supervision::stop(time_point now) {
  stopping_ = true;
  restart all{.for_good = true};
  for (child_number c = 1; c < children_.size(); ++c)
    if (children_[c].supervises == nullptr) all.members.push_back(c);
  join(std::move(all), now);
}

void supervision::ready(child_number who, incarnation life, time_point now) {
  child& c = children_[who];
  if (c.life != life || c.now != phase::starting) return;
  c.now = phase::ready;
  proceed(now);
}

void supervision::down(child_number who, incarnation life, const child_end& end, time_point now) {
  child& c = children_[who];
  if (life <= c.ended) return;
  c.ended = life;
  if (life < c.life) return; // its successor is there
  c.life = life;
  const bool expected = c.doomed || stopping_;
  c.now = phase::down;
  if (!expected) return judge(who, end, now, now);
  histories_[who].last = {child_end::kind::killed, "stopped by its supervisor", {}};
  histories_[who].died = now;
  proceed(now);
}

void supervision::past_down(child_number who,
                            incarnation life,
                            const child_end& end,
                            time_point when,
                            incarnation successor,
                            time_point now) {
  child& c = children_[who];
  if (life <= c.ended) return;
  c.ended = life;
  if (successor <= life) {
    c.now = phase::down;
    c.life = std::max(c.life, life);
    return judge(who, end, when, now);
  }
  history& h = note_death(who, end, when);
  h.started = when;
  if (end.how == child_end::kind::failed) note_failure(who, when);
  c.now = phase::ready;
  if (successor > std::exchange(c.life, successor))
    world_.restarted({who, successor, end.reason, when});
}

void supervision::time(time_point now) {
  std::set<child_number> late; // a restart may end, and others begin, on the way
  for (const restart& r : restarts_)
    for (const child_number m : r.members) {
      const child& c = children_[m];
      if ((c.now == phase::starting || c.now == phase::stopping) && c.deadline <= now)
        late.insert(m);
    }
  for (const child_number c : late)
    pass_deadline(c, now);
  proceed(now);
}

void supervision::pass_deadline(child_number who, time_point now) {
  child& c = children_[who];
  if (c.now == phase::stopping && !std::exchange(c.killed, true)) {
    c.deadline = now + c.spec->stop_within;
    return world_.kill(who);
  }
  const bool starting = c.now == phase::starting;
  c.ended = c.life; // it is not waited for, and not heard
  c.now = phase::down;
  if (!starting) return;
  world_.kill(who);
  if (!c.doomed)
    judge(who,
          {.reason = fmt::format("it was not ready within {} ms", c.spec->start_within.count())},
          now,
          now);
}

std::optional<supervision::time_point> supervision::due() const {
  std::optional<time_point> out;
  const auto note = [&](time_point t) { out = out ? std::min(*out, t) : t; };
  for (const restart& r : restarts_) {
    bool busy = false;
    for (const child_number m : r.members) {
      const child& c = children_[m];
      if (c.now != phase::starting && c.now != phase::stopping) continue;
      busy = true;
      note(c.deadline);
    }
    if (!busy) note(r.not_before);
  }
  return out;
}

std::vector<std::pair<child_number, supervision::time_point>> supervision::put_off() const {
  std::vector<std::pair<child_number, time_point>> out;
  for (const restart& r : restarts_)
    for (const child_number m : r.members)
      if (!r.for_good && children_[m].now == phase::down) out.emplace_back(m, r.not_before);
  return out;
}

supervision::history&
supervision::note_death(child_number who, const child_end& end, time_point when) {
  history& h = histories_[who];
  const auto& quiet = children_[children_[who].parent].supervises->backoff.quiet;
  const bool failed = end.how == child_end::kind::failed;
  if (failed) h.in_a_row = when - h.started < quiet ? h.in_a_row + 1 : 1;
  const bool repeats =
      failed && !end.input.empty() && end.input == h.last.input && end.reason == h.last.reason;
  h.same = repeats ? h.same + 1 : 1;
  h.last = end;
  h.died = when;
  return h;
}

void supervision::note_failure(child_number who, time_point when) {
  const child_number parent = children_[who].parent;
  const auto& s = *children_[parent].supervises;
  spent_.note(when, tree_.budget);
  histories_[who].window.note(when, s.of_each);
  windows_[parent].note(when, s.of_all);
}

void supervision::judge(child_number who, const child_end& end, time_point when, time_point now) {
  if (auto r = verdict(who, end, when))
    join(std::move(*r), now);
  else
    proceed(now);
}

std::optional<supervision::restart>
supervision::verdict(child_number who, const child_end& end, time_point when) {
  child& c = children_[who];
  const bool ended_well = end.how == child_end::kind::by_itself;
  if (c.spec->restart == restart_kind::temporary ||
      (c.spec->restart == restart_kind::transient && ended_well)) {
    c.now = phase::gone;
    return {};
  }
  const history& h = note_death(who, end, when);
  if (c.spec->state == state_source::itself)
    return give_up(who, "it holds state that no other actor has");
  if (h.same >= 2)
    return give_up(who, fmt::format("it failed the same way twice on one input: {}", end.input));
  if (const auto& b = children_[c.parent].supervises->backoff; h.in_a_row > b.in_a_row_max)
    return give_up(who,
                   fmt::format("it failed more than {} times in a row, each time within {} ms of "
                               "its start",
                               b.in_a_row_max,
                               b.quiet.count()));
  child_number unit = who;
  restart r{.not_before = when};
  if (end.how == child_end::kind::failed) {
    if (const auto excess = unit_of_restart(unit, when); !excess.empty())
      return give_up(who, excess);
    r.not_before += backoff(unit);
  }
  r.members = members_of(unit);
  for (const child_number m : r.members)
    if (lives(m) && children_[m].spec->state == state_source::itself)
      return give_up(who,
                     fmt::format("{} would be restarted with it, and holds state that no other "
                                 "actor has",
                                 children_[m].spec->id));
  for (const child_number m : r.members)
    children_[m].doomed = lives(m);
  return r;
}

// From the child upwards: a supervisor that bears no more failures is restarted as a whole. Says
// why, where nobody bears it.
std::string supervision::unit_of_restart(child_number& unit, time_point when) {
  if (!spent_.note(when, tree_.budget))
    return fmt::format("all actors together had more than {}", text(tree_.budget));
  for (;;) {
    const child_number parent = children_[unit].parent;
    const auto& s = *children_[parent].supervises;
    const bool each = histories_[unit].window.note(when, s.of_each);
    const bool all = windows_[parent].note(when, s.of_all);
    if (each && all) return {};
    const auto excess =
        each ? fmt::format("the actors of one supervisor had more than {}", text(s.of_all))
             : fmt::format("{} had more than {}", children_[unit].spec->id, text(s.of_each));
    if (parent == 0) return excess;
    forget_failures(parent);
    note_death(parent, {.reason = excess}, when);
    unit = parent;
  }
}

// A supervisor that is restarted begins anew; what it has spent of the tree's budget stays spent.
void supervision::forget_failures(child_number supervisor) {
  windows_.erase(supervisor);
  for (child_number c = supervisor + 1; c < children_[supervisor].end; ++c) {
    windows_.erase(c);
    if (const auto h = histories_.find(c); h != histories_.end()) h->second.window.clear();
  }
}

std::vector<child_number> supervision::members_of(child_number unit) const {
  const child_number parent = children_[unit].parent;
  const auto strategy = children_[parent].supervises->strategy;
  std::vector<child_number> out;
  const auto add = [&](child_number sibling) {
    for (child_number c = sibling; c < children_[sibling].end; ++c)
      if (children_[c].supervises == nullptr) out.push_back(c);
  };
  if (strategy == strategy_kind::one_for_one) { // whoever has a hundred thousand siblings
    add(unit);
    return out;
  }
  const auto& group = children_[unit].spec->group;
  const auto joins = [&](child_number sibling) {
    if (strategy == strategy_kind::one_for_all) return true;
    if (strategy == strategy_kind::rest_for_one) return sibling > unit;
    return !group.empty() && children_[sibling].spec->group == group;
  };
  for (child_number s = parent + 1; s < children_[parent].end; s = children_[s].end)
    if (s == unit || joins(s)) add(s);
  return out;
}

std::chrono::nanoseconds supervision::backoff(child_number unit) const {
  const auto& b = children_[children_[unit].parent].supervises->backoff;
  const int deaths = histories_.at(unit).in_a_row;
  if (deaths <= b.at_once) return {};
  const int doublings = std::min(deaths - b.at_once - 1, 20);
  const auto whole = std::min(b.first * (1 << doublings), b.most);
  random_stream draws({.seed = tree_.seed,
                       .purpose = random_purpose::backoff,
                       .a = number_of(children_[unit].spec->id),
                       .b = static_cast<std::uint32_t>(deaths)});
  const double share = 1 - b.jitter * static_cast<double>(draws.uniform());
  return std::chrono::nanoseconds(static_cast<std::int64_t>(
      static_cast<double>(std::chrono::nanoseconds(whole).count()) * share));
}

// Restarts that share a child become one.
void supervision::join(restart r, time_point now) {
  if (r.for_good)
    for (const child_number m : r.members)
      children_[m].doomed = lives(m);
  std::set<child_number> members(r.members.begin(), r.members.end());
  std::erase_if(restarts_, [&](const restart& other) {
    const auto& theirs = other.members;
    if (std::none_of(
            theirs.begin(), theirs.end(), [&](child_number m) { return members.contains(m); }))
      return false;
    members.insert(theirs.begin(), theirs.end());
    r.not_before = std::max(r.not_before, other.not_before);
    r.for_good = r.for_good || other.for_good;
    return true;
  });
  r.members.assign(members.begin(), members.end());
  restarts_.push_back(std::move(r));
  proceed(now);
}

void supervision::proceed(time_point now) {
  for (auto r = restarts_.begin(); r != restarts_.end();)
    r = is_done(*r, now) ? restarts_.erase(r) : r + 1;
}

bool supervision::is_done(const restart& r, time_point now) {
  if (!is_stopped(r, now)) return false;
  if (r.for_good) return true;
  if (now < r.not_before) return false;
  for (const child_number m : r.members) {
    child& c = children_[m];
    if (c.now == phase::down) start(m, now);
    if (c.now == phase::starting) return false;
  }
  return true;
}

// One after the other, the last one first.
bool supervision::is_stopped(const restart& r, time_point now) {
  for (auto m = r.members.rbegin(); m != r.members.rend(); ++m) {
    child& c = children_[*m];
    if (!lives(*m)) c.doomed = false;
    if (!c.doomed) continue;
    if (c.now != phase::stopping) {
      c.now = phase::stopping;
      c.killed = false;
      c.deadline = now + c.spec->stop_within;
      world_.stop(*m);
    }
    return false;
  }
  return true;
}

void supervision::start(child_number who, time_point now) {
  child& c = children_[who];
  if (c.life > 0 && c.spec->restart == restart_kind::temporary) {
    c.now = phase::gone;
    return;
  }
  c.life = world_.start(who);
  c.now = c.spec->start_within.count() > 0 ? phase::starting : phase::ready;
  c.deadline = now + c.spec->start_within;
  if (c.life <= 1) return;
  history& h = histories_[who];
  h.started = now;
  world_.restarted({who, c.life, h.last.reason, h.died});
}

std::optional<supervision::restart> supervision::give_up(child_number who, const std::string& why) {
  child& c = children_[who];
  c.now = phase::gone;
  world_.give_up(
      {.what = fmt::format("{} is down: {}", c.spec->id, histories_[who].last.reason), .why = why});
  return {};
}

} // namespace troupe
