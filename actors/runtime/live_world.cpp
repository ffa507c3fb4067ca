// CAF appears here and nowhere else. Facts about CAF 0.17.6 that shape this file:
// - its default scheduler can starve an actor for ever, so we bring our own (scheduler.hpp);
// - its serialiser corrupts floats and hangs on infinity, so messages are never serialised by it;
// - an actor whose last handle goes is ended silently, so the directory keeps a strong one;
// - anon_send_exit queues behind all messages, so a kill is a high-priority exit message.
#include "actors/runtime/live_world_impl.hpp"

#include <algorithm>
#include <deque>
#include <utility>

namespace troupe {

namespace {

// What one incarnation sees of the world.
class live_context final : public context {
public:
  live_context(live_world::impl& world, seat& where, incarnation life)
      : world_(world),
        points_(where.points),
        who_(where.who),
        slowness_(where.slowness),
        life_(life),
        begins_(where.begins_with(life)),
        doing_(where.doing),
        flag_(new_flag()) {}

  [[nodiscard]] address self() const override { return who_; }

  [[nodiscard]] incarnation life() const override { return life_; }

  [[nodiscard]] bool begins() const override { return begins_; }

  void send(const address& to, message m) override {
    if (doing_->is_given_up()) return;
    world_.deliver(to, envelope{who_, 0, std::move(m)}, life_);
    passed();
  }

  void send_after(std::chrono::nanoseconds delay, message m) override {
    world_.threads.submit_after(delay, [&world = world_, e = envelope{who_, life_, std::move(m)}] {
      world.deliver(e.from, e);
    });
    passed();
  }

  [[nodiscard]] std::chrono::nanoseconds now() const override { return world_.now(); }

  void compute(lane where, std::uint64_t step, std::function<void(computation&)> job) override {
    world_.threads.submit(
        where,
        step,
        [&world = world_,
         who = who_,
         life = life_,
         step,
         flag = flag_,
         factor = world_.slowness * (where == lane::kernels ? slowness_.load() : 1),
         of_files = where == lane::files,
         job = std::move(job)] {
          carry_out(job, {world, who, life, step, flag, factor, of_files});
        });
    passed();
  }

  void abandon_computations() override {
    end();
    flag_ = new_flag();
    passed();
  }

  incarnation start(const address& who) override {
    if (doing_->is_given_up()) return 0;
    const auto life = world_.start(who);
    passed();
    return life;
  }

  void end(const address& who) override {
    if (doing_->is_given_up()) return;
    world_.kill(who);
    passed();
  }

  void send_to_all(const message& m) override {
    for (const auto& [who, s] : world_.seats)
      if (who != who_) send(who, m);
  }

  void end() { flag_->over = true; } // computations of this incarnation stop at their next kernel

  activity& doing() { return *doing_; }

private:
  // One that was given up passes nothing: its successor does.
  void passed() {
    if (!doing_->is_given_up()) points_.calls();
  }

  [[nodiscard]] std::shared_ptr<life_flag> new_flag() const {
    auto out = std::make_shared<life_flag>();
    out->doing = doing_;
    return out;
  }

  live_world::impl& world_;
  fault_points& points_;
  address who_;
  const std::atomic<double>& slowness_;
  incarnation life_;
  bool begins_;
  std::shared_ptr<activity> doing_;
  std::shared_ptr<life_flag> flag_;
};

// Tells the observer what was heard, when it was handled or has ended its actor.
class hearing {
public:
  hearing(const live_world::impl& world, const address& to, const envelope& e)
      : world_(world), told_{{}, e.from, to, &e.content, false, e.sent, {}} {
    if (world_.observer != nullptr) told_.when = world_.now();
  }

  hearing(const hearing&) = delete;
  hearing& operator=(const hearing&) = delete;

  ~hearing() {
    if (world_.observer == nullptr) return;
    told_.until = world_.now();
    world_.observer->heard(told_);
  }

private:
  const live_world::impl& world_;
  heard_message told_;
};

// While a thread is in an actor.
class handling {
public:
  explicit handling(activity& doing) : doing_(doing) { doing_.handles(true); }

  handling(const handling&) = delete;
  handling& operator=(const handling&) = delete;

  ~handling() { doing_.handles(false); }

private:
  activity& doing_;
};

// Turns a role into a CAF actor.
class adapter final : public caf::event_based_actor {
public:
  adapter(caf::actor_config& config, live_world::impl& world, seat& where, incarnation life)
      : caf::event_based_actor(config),
        world_(world),
        seat_(where),
        life_(life),
        context_(world, where, life) {
    set_default_handler(caf::drop);
    set_exception_handler([this](std::exception_ptr& what) -> caf::error {
      try {
        std::rethrow_exception(what);
      } catch (const killed& k) {
        killed_ = true;
        reason_ = k.what();
      } catch (const std::exception& e) {
        reason_ = e.what();
      }
      return caf::exit_reason::unhandled_exception;
    });
  }

  caf::behavior make_behavior() override {
    const handling now(context_.doing());
    input_ = input_of_start;
    seat_.points.begins(nullptr);
    role_ = seat_.make(context_);
    role_->started();
    seat_.points.ends();
    input_.clear();
    return {[this](const envelope& e) { hear(e); },
            [this](const live::question& q) {
              q.to->note(q.who, {role_->waits(), mailbox().size()});
            }};
  }

  void on_exit() override {
    context_.end();
    if (reason_.empty()) {
      killed_ = true;
      reason_ = "killed";
    }
    role_.reset();
    world_.ended({seat_.who, life_, killed_, reason_, killed_ ? std::string() : input_});
  }

private:
  // While its node is paused what it is told waits here, in order.
  void hear(const envelope& e) {
    if (world_.paused || !held_.empty()) held_.push_back(e);
    if (held_.empty()) return handle(e);
    while (!world_.paused && !held_.empty()) {
      const envelope first = std::move(held_.front());
      held_.pop_front();
      handle(first);
    }
  }

  void handle(const envelope& e) {
    if (e.to_life != 0 && e.to_life != life_) return;
    const handling now(context_.doing());
    const hearing watched(world_, seat_.who, e);
    // A computation of this actor failed: so does the actor. (The director hears of failures of
    // others.)
    const auto* failed = std::get_if<protocol::job_failed>(&e.content);
    if (failed != nullptr && e.to_life != 0) {
      input_ = failed->text.where;
      throw std::runtime_error(failed->text.what);
    }
    seat_.points.begins(&e.content);
    try {
      role_->receive(e.content);
    } catch (...) {
      input_ = input_text(e.content);
      throw;
    }
    if (context_.doing().is_given_up()) throw killed("taken for dead");
    seat_.points.ends();
  }

  live_world::impl& world_;
  seat& seat_;
  incarnation life_;
  live_context context_;
  std::unique_ptr<role> role_;
  std::deque<envelope> held_; // while paused
  bool killed_ = false;
  std::string reason_, input_;
};

} // namespace

incarnation live_world::impl::next_life(seat& s) {
  const std::lock_guard lock(s.mutex);
  return s.life + 1;
}

void live_world::impl::seat_player(seat& s, incarnation life) {
  {
    const std::lock_guard lock(s.mutex);
    s.life = life;
    s.doing = std::make_shared<activity>();
  }
  auto player = system.spawn<adapter, caf::lazy_init>(std::ref(*this), std::ref(s), life);
  const std::lock_guard lock(s.mutex);
  s.player = std::move(player);
}

incarnation live_world::impl::begin(seat& s) {
  const std::lock_guard lock(starting);
  // Nobody would end it; or all begin soon.
  if (stopping || beginning_again) return s.current().second;
  const auto life = next_life(s);
  seat_player(s, life);
  wake(s);
  return life;
}

void live_world::impl::wake(seat& s) {
  const auto [player, life] = s.current();
  // Addressed to a life that never comes, so that nobody hears it; the actor begins all the same.
  if (player) caf::anon_send(player, envelope{s.who, ~incarnation{0}, protocol::restarted{}});
}

incarnation live_world::impl::start(const address& who) {
  seat* s = find(who);
  TROUPE_ASSERT(s != nullptr, "start of an unknown address: " + who.text());
  const auto life = beyond != nullptr ? beyond->start(who) : begin(*s);
  const std::lock_guard lock(ledger_mutex);
  ledger.note_start(who, life);
  return life;
}

void live_world::impl::kill(const address& who) {
  seat* s = find(who);
  if (s != nullptr && !s->here) return beyond->kill(who);
  const sending order;
  if (s != nullptr)
    if (auto player = s->current().first)
      caf::anon_send<caf::message_priority::high>(
          player, caf::exit_msg{caf::actor_addr{}, caf::exit_reason::kill});
}

void live_world::impl::ended(protocol::down how) {
  while_ending([&] { tell_end(std::move(how)); });
}

// Who waits for all to end waits until the last one has told it.
void live_world::impl::while_ending(const std::function<void()>& tell) {
  {
    const std::lock_guard lock(starting);
    ++ending;
  }
  tell();
  const std::lock_guard lock(starting);
  if (--ending == 0 && beginning_again) all_ended.notify_all();
}

void live_world::impl::tell_end(protocol::down how) {
  if (seat* s = find(how.who); s != nullptr) {
    const std::lock_guard lock(s->mutex);
    if (s->life == how.life) s->player = nullptr;
    if (how.life <= s->given_up) return; // that was told
  }
  tell_death(std::move(how));
}

// A thread that does not come back is replaced.
void live_world::impl::give_up(seat& s, incarnation life, std::chrono::nanoseconds waited) {
  kill(s.who);
  {
    const std::lock_guard lock(s.mutex);
    if (s.life != life || !s.player) return; // it has ended after all
    s.doing->give_up();
    s.player = nullptr;
    s.given_up = life;
    if (s.doing->is_handling()) threads.add_service_thread();
    if (s.doing->is_computing()) threads.add_kernel_thread();
  }
  const double seconds = std::chrono::duration<double>(waited).count();
  tell_death({s.who, life, false, fmt::format("it got no further for {:.1f} s", seconds), {}});
}

void live_world::impl::look_for_stuck() {
  for (auto& [who, at] : seats) {
    seat& s = *at;
    if (!s.here) continue;
    note_progress(s);
    if (progress_within(who).count() == 0) continue;
    // What a look sees may have come a tick before it.
    if (!s.watch)
      s.watch.emplace(std::max(1.0, static_cast<double>(progress_within(who) / progress_tick) - 1));
    const auto [player, life, reading] = [&] {
      const std::lock_guard lock(s.mutex);
      return std::tuple(s.player, s.life, s.doing->read());
    }();
    if (!player || !s.watch->is_stuck(reading)) continue;
    while_ending([&, life = life] {
      give_up(s, life, progress_tick * static_cast<std::int64_t>(s.watch->waited()));
    });
    s.watch->begin();
  }
}

void live_world::impl::begin_lookout() {
  if (!progress_within || std::exchange(looks_out, true)) return;
  for_stuck.begin(progress_tick, [this] { look_for_stuck(); });
}

void live_world::impl::tell_death(protocol::down how) {
  if (stopping) return;
  if (how.who.role == role_kind::supervisor) return begin_supervisor(how);
  const auto who = how.who;
  const auto life = how.life;
  deliver(address{.role = role_kind::supervisor}, envelope{who, 0, std::move(how)}, life);
}

void live_world::impl::note_death(const message& m) {
  const auto* d = std::get_if<protocol::down>(&m);
  if (d == nullptr) return;
  const std::lock_guard lock(ledger_mutex);
  ledger.note(*d, now());
}

// Whoever dies meanwhile is in the ledger before it is said to anybody: what is said to the one
// that is gone, its successor is handed.
void live_world::impl::begin_supervisor(const protocol::down& last) {
  const auto who = last.who;
  note_death(last);
  const auto in_ledger = [this](auto&& what) {
    const std::lock_guard lock(ledger_mutex);
    return what();
  };
  if (!in_ledger([&] { return ledger.bears(last, now()); }))
    return deliver(address{.role = role_kind::director}, envelope{who, 0, supervisor_failed(last)});
  const auto life = start(who);
  const auto past = in_ledger([&] { return ledger.all(); });
  for (const auto& p : past)
    deliver(*find(who), envelope{who, life, p});
}

live_world::live_world(const live_world_options& options)
    : impl_(std::make_unique<impl>(options)) {}

live_world::~live_world() {
  stop();
}

void live_world::add(const address& who, role_factory make) {
  auto s = std::make_unique<seat>();
  s->who = who;
  s->here = impl_->beyond == nullptr || !impl_->beyond->has(who);
  s->make = std::move(make);
  const bool fresh = impl_->seats.emplace(who, std::move(s)).second;
  TROUPE_ASSERT(fresh, "an address twice: " + who.text());
}

void live_world::kill_at(const fault_point& where) {
  seat* s = impl_->find(where.who);
  TROUPE_ASSERT(s != nullptr, "a fault point of an unknown address: " + where.who.text());
  s->points.plan(where);
}

void live_world::slow(const address& who, double factor) {
  seat* s = impl_->find(who);
  TROUPE_ASSERT(s != nullptr, "a slow actor at an unknown address: " + who.text());
  TROUPE_ASSERT(factor >= 1, "nothing takes less than its time");
  s->slowness = factor;
}

void live_world::observe(world_observer& by) {
  impl_->observer = &by;
}

void live_world::start() {
  // All have a seat before the first one speaks: what it says must find somebody.
  for (auto& [who, s] : impl_->seats)
    impl_->seat_player(*s, impl::next_life(*s));
  for (auto& [who, s] : impl_->seats)
    impl_->wake(*s);
  const std::lock_guard lock(impl_->starting);
  impl_->begin_lookout();
}

void live_world::end_all() {
  impl& w = *impl_;
  std::unique_lock lock(w.starting);
  if (w.stopping) return;
  w.beginning_again = true;
  for (const auto& [who, s] : w.seats)
    if (s->here) kill(who);
  w.all_ended.wait(lock, [&] {
    return w.ending == 0 && std::all_of(w.seats.begin(), w.seats.end(), [](const auto& each) {
             return !each.second->here || !each.second->current().first;
           });
  });
}

void live_world::enter_again(const std::vector<std::pair<address, incarnation>>& whom) {
  {
    const std::lock_guard lock(impl_->starting);
    impl_->beginning_again = false;
  }
  {
    const std::lock_guard lock(impl_->ledger_mutex);
    impl_->ledger.begin_again();
  }
  for (const auto& [who, life] : whom) {
    seat& s = *impl_->find(who);
    const std::lock_guard lock(s.mutex);
    s.first_life = life;
    s.given_up = std::min(s.given_up, life - 1); // whoever leads now may count from 1 again
  }
  enter(whom);
}

void live_world::begin_again(const std::string&, const std::function<void()>& set) {
  end_all();
  set();
  std::vector<std::pair<address, incarnation>> all;
  for (auto& [who, s] : impl_->seats)
    all.emplace_back(who, impl::next_life(*s));
  enter_again(all);
}

void live_world::enter(const std::vector<std::pair<address, incarnation>>& whom) {
  const std::lock_guard lock(impl_->starting);
  if (impl_->stopping) return; // nobody would end them
  for (const auto& [who, life] : whom) {
    seat* s = impl_->find(who);
    TROUPE_ASSERT(s != nullptr, "an actor of an unknown address: " + who.text());
    s->here = true;
    kill(who); // the one before may not know yet that it is over
    impl_->seat_player(*s, life);
  }
  for (const auto& [who, life] : whom)
    impl_->wake(*impl_->find(who));
  impl_->begin_lookout();
}

void live_world::leave(const address& who) {
  seat* s = impl_->find(who);
  if (s == nullptr || !s->here) return;
  kill(who); // it may not know yet that it is over
  s->here = false;
}

void live_world::hear(const address& from,
                      const address& to,
                      message m,
                      std::shared_ptr<const void> credit) {
  if (seat* s = impl_->find(to); s != nullptr && s->here)
    impl_->deliver(*s, envelope{from, 0, std::move(m), {}, std::move(credit)});
}

std::chrono::nanoseconds live_world::now() const {
  return impl_->now();
}

void live_world::send(const address& to, message m) {
  impl_->deliver(to, envelope{to, 0, std::move(m)});
}

void live_world::kill(const address& who) {
  impl_->kill(who);
}

void live_world::stop() {
  {
    const std::lock_guard lock(impl_->starting);
    if (impl_->stopping.exchange(true)) return;
  }
  impl_->for_stuck.end();
  {
    const sending order;
    for (auto& [who, s] : impl_->seats)
      if (auto player = s->current().first) caf::anon_send_exit(player, caf::exit_reason::kill);
  }
  impl_->system.await_all_actors_done();
  impl_->threads.end_computations();
}

} // namespace troupe
