#include "actors/message_facts.hpp"
#include "actors/runtime/fault_points.hpp"
#include "actors/runtime/simulated_world_impl.hpp"
#include "actors/runtime/simulation/membership.hpp"
#include "actors/runtime/simulation/prefetch.hpp"
#include "actors/runtime/simulation/report_of.hpp"
#include "actors/runtime/simulation/stuck.hpp"
#include "actors/runtime/simulation/waits_of.hpp"
#include "ops/error.hpp"

#include <algorithm>
#include <exception>
#include <utility>

namespace troupe {

using namespace simulation;

namespace {

double seconds_of(duration d) {
  return std::chrono::duration<double>(d).count();
}

} // namespace

namespace {

// What one incarnation sees of the world.
class simulated_context final : public context {
public:
  simulated_context(simulated_world::impl& world, seat& where)
      : world_(world), seat_(where), life_(where.life) {}

  [[nodiscard]] address self() const override { return seat_.who; }

  [[nodiscard]] incarnation life() const override { return life_; }

  [[nodiscard]] bool begins() const override { return life_ == seat_.first_life; }

  void send(const address& to, message m) override {
    world_.send(seat_, world_.at(to), std::move(m));
    passed();
  }

  void send_after(std::chrono::nanoseconds delay, message m) override {
    const auto t = world_.to_itself(seat_, life_, std::move(m), world_.events.now());
    world_.events.push({.when = world_.events.now() + delay,
                        .happen = [&world = world_, t] { world.hear_itself(t); },
                        .node = seat_.node,
                        .letter = t});
    passed();
  }

  [[nodiscard]] std::chrono::nanoseconds now() const override { return world_.events.now(); }

  void compute(lane where, std::uint64_t step, std::function<void(computation&)> job) override {
    world_.submit(seat_, running{&seat_, life_, where, step, std::move(job)});
    passed();
  }

  // They go on, as they may, and their core is taken until they end.
  void abandon_computations() override { passed(); }

  incarnation start(const address& who) override {
    seat& s = world_.at(who);
    if (world_.stopping) return s.life;
    s.node = place_of(s, world_.by_address, world_.absent);
    world_.begin_life(s, world_.net.latency(seat_.node, s.node) + world_.options.model.start_delay);
    world_.ledger.note_start(who, s.life);
    passed();
    return s.life;
  }

  void end(const address& who) override {
    seat& s = world_.at(who);
    world_.events.push({.when = world_.events.now() + world_.net.latency(seat_.node, s.node),
                        .happen = [&world = world_, &s, life = s.life] {
                          if (s.life == life) world.end(s, true, "stopped by the supervisor");
                        }});
    passed();
  }

  void send_to_all(const message& m) override {
    for (seat* const s : world_.by_address) {
      if (s == &seat_) continue;
      world_.send(seat_, *s, m);
      passed();
    }
  }

private:
  void passed() const {
    if (seat_.points) seat_.points->calls();
  }

  simulated_world::impl& world_;
  seat& seat_;
  incarnation life_;
};

} // namespace

const node_model& simulated_world::impl::model_of(int number) const {
  const auto own = options.model.nodes.find(number);
  return own == options.model.nodes.end() ? options.model.node : own->second;
}

simulated_node& simulated_world::impl::node_at(int number) {
  const auto at = static_cast<std::size_t>(number);
  if (at >= nodes.size()) nodes.resize(at + 1);
  if (!nodes[at]) nodes[at] = std::make_unique<simulated_node>(model_of(number), events);
  return *nodes[at];
}

void simulated_world::impl::begin_life(seat& s, duration delay) {
  ++s.life;
  s.now = seat::phase::starting;
  events.push({.when = events.now() + delay,
               .happen = [this, &s, life = s.life] { enter(s, life); },
               .node = s.node});
}

void simulated_world::impl::enter(seat& s, incarnation life) {
  if (s.life != life || s.now != seat::phase::starting) return;
  s.now = seat::phase::playing;
  if (s.death > 0) deaths[s.death - 1].ready_seconds = seconds_of(events.now());
  s.world = std::make_unique<simulated_context>(*this, s);
  try {
    if (s.points) s.points->begins(nullptr);
    s.player = s.make(*s.world);
    s.player->started();
    if (s.points) s.points->ends();
  } catch (const killed& k) {
    end(s, true, k.what());
  } catch (const std::exception& e) {
    end(s, false, e.what(), input_of_start);
  }
  if (&s == supervising && life > 1)
    for (auto& past : ledger.all())
      hear_itself(to_itself(s, life, std::move(past), events.now()));
  for (const letter& l : std::exchange(s.early, {}))
    hear(l, false);
}

// From a node that is gone nothing is sent; that it is gone is noticed where it matters.
void simulated_world::impl::send(seat& from, seat& to, message m) {
  const auto bytes = message_bytes(m);
  const auto t = mail.add({.from = from.index,
                           .to = to.index,
                           .to_node = to.node,
                           .sent = events.now(),
                           .bytes = bytes,
                           .content = std::move(m)});
  if (options.model.on_way)
    net.set_fate(t, options.model.on_way(from.who, to.who, mail[t].content));
  net.send(t, absent.contains(from.node) ? to.node : from.node);
}

// What an actor says to itself (timers, results of its computations) is for one incarnation, and
// what was sent to another node than it is on is lost with the link.
void simulated_world::impl::hear(const letter& l, bool copy) {
  seat& s = by_index[l.to];
  if (l.to_life == 0 && l.sent < began_again) return;
  const auto* death = &s == supervising ? std::get_if<protocol::down>(&l.content) : nullptr;
  if (death != nullptr) ledger.note(*death, events.now());
  if (s.now == seat::phase::down || (l.to_life != 0 && l.to_life != s.life)) return;
  if (l.to_node != s.node && death == nullptr) return;
  if (s.now == seat::phase::starting) {
    s.early.push_back(l);
    return;
  }
  try {
    if (s.points) s.points->begins(&l.content);
    note_heard(s, l, copy);
    const auto* failed = std::get_if<protocol::job_failed>(&l.content);
    if (failed != nullptr && l.to_life != 0)
      return end(s, false, failed->text.what, failed->text.where);
    s.player->receive(l.content);
    if (s.points) s.points->ends();
  } catch (const killed& k) {
    end(s, true, k.what());
  } catch (const std::exception& problem) {
    end(s, false, problem.what(), input_text(l.content));
  }
}

void simulated_world::impl::note_heard(seat& s, const letter& l, bool copy) {
  const heard_message told{
      events.now(), names[l.from], s.who, &l.content, copy, l.sent, events.now()};
  heard.note(told);
  if (observer != nullptr) observer->heard(told);
  if (options.on_message) options.on_message(told);
  ++s.messages;
  s.heard_at = events.now();
  s.last = {step_of(l.content).value_or(seat::no_step),
            static_cast<std::uint32_t>(l.content.index()),
            l.from};
}

void simulated_world::impl::end(seat& s,
                                bool on_purpose,
                                const std::string& reason,
                                const std::string& input) {
  if (s.now == seat::phase::down) return;
  s.now = seat::phase::down;
  s.player.reset();
  s.world.reset();
  s.early.clear();
  note_death(s);
  for (const auto& r : std::exchange(s.computing, {})) {
    tell(*r);
    s.busy -= std::max(r->ends - events.now(), duration(0));
    if (std::exchange(r->has_core, false)) node_of(s).release();
  }
  const protocol::down how{s.who, s.life, on_purpose, reason, input};
  if (&s != supervising) return send(s, at({.role = role_kind::supervisor}), how);
  begin_supervisor(s, how);
}

void simulated_world::impl::begin_supervisor(seat& s, const protocol::down& last) {
  if (stopping) return;
  ledger.note(last, events.now());
  if (const bool may_begin = ledger.bears(last, events.now()); !may_begin)
    return send(s, at({.role = role_kind::director}), supervisor_failed(last));
  s.node = place_of(s, by_address, absent);
  begin_life(s, options.model.start_delay);
  ledger.note_start(s.who, s.life);
}

void simulated_world::impl::note_death(seat& s) {
  deaths.push_back({.who = s.who, .node = s.node, .seconds = seconds_of(events.now())});
  s.death = deaths.size();
}

void simulated_world::impl::submit(seat& s, running asked) {
  auto r = std::make_shared<running>(std::move(asked));
  s.computing.push_back(r);
  if (!takes_core(r->where))
    begin_compute(r);
  else
    node_of(s).ask(r->where, r->step, [this, r, asked_on = s.node] {
      if (r->of->life == r->life && r->of->now == seat::phase::playing)
        begin_compute(r);
      else
        node_at(asked_on).release(); // its actor has died while it waited, and may be elsewhere
    });
}

// Where computations slow each other down, all that begin at this instant are counted first.
void simulated_world::impl::begin_compute(const std::shared_ptr<running>& r) {
  r->has_core = takes_core(r->where);
  if (!r->has_core || !node_of(*r->of).contends()) return compute(r);
  events.push({.when = events.now(), .happen = [this, r] { compute(r); }, .node = r->of->node});
}

void simulated_world::impl::compute(const std::shared_ptr<running>& r) {
  seat& s = *r->of;
  if (s.life != r->life || s.now != seat::phase::playing) return; // end() took the core back
  const double factor =
      node_of(s).slowness * node_of(s).contention() * (r->where == lane::kernels ? s.slowness : 1);
  computing here(
      [&](const work& w) {
        return duration(static_cast<std::int64_t>(
                   static_cast<double>(options.cost(s.who, w).count()) * factor)) +
               net.linger();
      },
      files_of(s.node),
      std::exchange(said_before, {}));
  auto said = here.carry_out(r->job, r->step);
  r->job = nullptr;
  if (observer != nullptr)
    for (const auto& did : here.spans())
      r->told.push_back(
          {s.who, did.what, r->step, events.now() + did.from, events.now() + did.until});
  s.busy += here.duration_in_all();
  r->ends = events.now() + here.duration_in_all();
  if (r->has_core) node_of(s).occupy_until(r->ends);
  const auto plan = [&](duration after, action happen, letters::number t) {
    events.push({.when = events.now() + after,
                 .happen = std::move(happen),
                 .paused = node_of(s).paused_in_all(),
                 .node = s.node,
                 .letter = t});
  };
  // As live, where a thread that has computed runs the actors that wait before it computes again: a
  // shard goes on with its next microbatch, if it has one.
  letters::number last = event::none;
  for (auto& [after, content] : said) {
    const auto t = to_itself(s, r->life, std::move(content));
    if (after == here.duration_in_all())
      last = t;
    else
      plan(
          after, [this, t] { hear_itself(t); }, t);
  }
  said_before = std::move(said);
  const auto end = [this, r, last] {
    if (last != event::none) hear_itself(last);
    finish(r);
  };
  plan(here.duration_in_all(), end, last);
}

// A death may have come before the end.
void simulated_world::impl::tell(const running& r) {
  for (computed_work did : r.told) {
    if (did.from >= events.now()) break;
    did.until = std::min(did.until, events.now());
    observer->computed(did);
  }
}

void simulated_world::impl::finish(const std::shared_ptr<running>& r) {
  seat& s = *r->of;
  std::erase(s.computing, r);
  tell(*r);
  if (std::exchange(r->has_core, false)) node_of(s).release();
}

void simulated_world::impl::take_orders() {
  if (!ordered.load(std::memory_order_relaxed) || !ordered.exchange(false)) return;
  std::vector<std::function<void()>> taken;
  {
    const std::lock_guard lock(mutex);
    taken.swap(orders);
  }
  for (const auto& order : taken)
    order();
}

void simulated_world::impl::step() {
  event next = events.pop();
  prefetch(events, mail, by_index, nodes, net);
  if (paused && next.node >= 0 && !node_at(next.node).admits(next)) return;
  next.happen();
}

wait_graph simulated_world::impl::waits() const {
  auto out = waits_of({by_index, by_address, mail, net, nodes, absent, deaths, events.now()});
  out.over = stopping;
  if (options.name_sources) options.name_sources(out);
  return out;
}

simulated_world::simulated_world(simulated_world_options options)
    : impl_(std::make_unique<impl>(std::move(options))) {}

simulated_world::~simulated_world() {
  stop();
}

void simulated_world::add(const address& who, role_factory make) {
  const auto index = static_cast<std::uint32_t>(impl_->by_index.size());
  TROUPE_ASSERT(impl_->places.find(who) == nullptr, "an address twice: " + who.text());
  impl_->places.at_or(who, index);
  impl_->names.push_back(who);
  seat& s = impl_->by_index.emplace_back();
  s.who = who;
  s.index = index;
  s.home = s.node = impl_->options.node_of(who);
  s.make = std::move(make);
  if (impl_->options.on_point) impl::points_of(s).watch(impl_->options.on_point, who);
}

void simulated_world::kill_at(const fault_point& where) {
  impl_->order([world = impl_.get(), where] { impl::points_of(world->at(where.who)).plan(where); });
}

void simulated_world::slow(const address& who, double factor) {
  impl_->at(who).slowness = factor;
}

void simulated_world::observe(world_observer& by) {
  impl_->observer = &by;
}

void simulated_world::start() {
  auto& faults = impl_->options.model.faults;
  std::stable_sort(
      faults.begin(), faults.end(), [](const auto& a, const auto& b) { return a.when < b.when; });
  impl_->absent = absent_at_first(faults);
  for (auto f = faults.cbegin(); f != faults.cend();) {
    const auto next =
        std::find_if(f, faults.cend(), [&](const auto& o) { return o.when != f->when; });
    impl_->events.push_first({.when = f->when, .happen = [world = impl_.get(), f, next] {
                                std::for_each(
                                    f, next, [&](const auto& due) { world->happen(due.what); });
                              }});
    f = next;
  }
  for (seat& s : impl_->by_index) {
    impl_->by_address.push_back(&s);
    if (s.who.role == role_kind::supervisor) impl_->supervising = &s;
  }
  std::sort(impl_->by_address.begin(), impl_->by_address.end(), [](const seat* a, const seat* b) {
    return a->who < b->who;
  });
  for (seat* const s : impl_->by_address)
    s->node = place_of(*s, impl_->by_address, impl_->absent);
  for (seat* const s : impl_->by_address)
    impl_->begin_life(*s, {});
}

void simulated_world::play(const std::function<bool()>& ended) {
  const turns::holder turn(impl_->playing);
  while (!ended()) {
    impl_->take_orders();
    if (impl_->events.empty() || impl_->events.now() > impl_->options.model.time_max)
      throw error(stuck_text(impl_->options.model, impl_->events, impl_->net, impl_->waits()));
    impl_->step();
  }
}

// While somebody plays, in between two events; else here and now.
wait_graph simulated_world::waits() {
  impl& w = *impl_;
  wait_graph out;
  w.playing.do_within([&] { out = w.waits(); },
                      [&w](std::function<void()> what) {
                        const std::lock_guard lock(w.mutex);
                        w.orders.push_back(std::move(what));
                        w.ordered = true;
                      });
  return out;
}

// As live, where all have ended before the first one begins.
void simulated_world::begin_again(const std::string&, const std::function<void()>& set) {
  impl& w = *impl_;
  const turns::holder turn(w.playing);
  w.stopping = true; // nobody restarts anybody
  w.end_all("the job begins again", [](const seat&) { return true; });
  set();
  w.stopping = false;
  w.ledger.begin_again();
  w.began_again = w.events.now() + duration(1);
  for (seat* const s : w.by_address) {
    s->node = place_of(*s, w.by_address, w.absent);
    s->first_life = s->life + 1;
    w.begin_life(*s, w.options.model.start_delay + duration(1));
  }
}

void simulated_world::send(const address& to, message m) {
  impl_->order([world = impl_.get(), to, m = std::move(m)] {
    seat& s = world->at(to);
    world->send(s, s, m);
  });
}

void simulated_world::kill(const address& who) {
  inject(kill_fault{who});
}

void simulated_world::stop() {
  const turns::holder turn(impl_->playing);
  impl_->stopping = true;
  impl_->events.clear();
  for (seat& s : impl_->by_index) {
    s.now = seat::phase::down;
    s.player.reset();
    s.computing.clear();
    s.early.clear();
  }
}

std::chrono::nanoseconds simulated_world::now() const {
  return impl_->events.now();
}

simulation_report simulated_world::report() const {
  const impl& w = *impl_;
  auto out = report_of(w.by_address, [&w](int node) { return w.model_of(node).cores; });
  out.seconds = seconds_of(w.events.now());
  out.events = w.heard.events();
  out.trace_hash = w.heard.hash();
  out.links = w.net.use();
  out.deaths = w.deaths;
  return out;
}

} // namespace troupe
