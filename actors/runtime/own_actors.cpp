#include "actors/runtime/own_actors.hpp"

#include "actors/runtime/scheduler.hpp"
#include "actors/supervision/supervision.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/exit_reason.hpp>
#include <caf/send.hpp>
#include <fmt/format.h>

#include <condition_variable>
#include <exception>
#include <map>
#include <mutex>
#include <vector>

namespace {

struct own_envelope {
  enum class kind { content, begin, stop };

  kind what = kind::content;
  std::any content;
};

} // namespace

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(own_envelope)

namespace troupe {

namespace {

error of_all(const std::vector<error_text>& wrong) {
  if (wrong.size() == 1) return error(wrong.front());
  error_text all{.what = fmt::format("the tree cannot be played: {} mistakes", wrong.size())};
  for (const error_text& w : wrong)
    all.why += fmt::format("{}- {}; {}", all.why.empty() ? "" : "\n  ", w.what, w.help);
  return error(std::move(all));
}

struct own_seat {
  std::string id;
  own_actor_factory make;
  child_number number = 0;
  caf::actor player;
  incarnation life = 0;
};

} // namespace

// The machine and the seats are under one mutex. Nothing below waits under it.
struct own_actors::impl final : supervised_world {
  impl(supervision_tree t, int threads)
      : tree(std::move(t)),
        config(threads),
        system(config),
        timers(static_cast<scheduler&>(system.scheduler())) {}

  struct configuration : caf::actor_system_config {
    explicit configuration(int threads) {
      load<scheduler>();
      caf::put(content, scheduler::kernel_threads_key, 0);
      caf::put(content, scheduler::service_threads_key, threads);
    }
  };

  // What happens to the machine, and what is due after it.
  template <class Event>
  void tell(Event event) {
    const std::lock_guard lock(mutex);
    if (!machine) return;
    event(*machine);
    if (failure && !stopping) machine->stop(now());
    stopping = stopping || failure;
    wait_until_due();
    if (stopping && machine->is_settled()) ended = true;
    changed.notify_all();
  }

  void wait_until_due() {
    const auto next = machine->due();
    if (!next || (due && *due <= *next)) return;
    due = next;
    timers.submit_after(std::max(*next - now(), {}), [this] {
      tell([this](supervision& m) {
        due.reset();
        m.time(now());
      });
    });
  }

  [[nodiscard]] std::chrono::nanoseconds now() const {
    return std::chrono::steady_clock::now() - began;
  }

  own_seat& at(const std::string& id) {
    const auto found = seats.find(id);
    if (found == seats.end()) throw unknown(id);
    return found->second;
  }

  [[nodiscard]] error unknown(const std::string& id) const;
  void send(const std::string& to, std::any m);
  void kill(own_seat& s) const;

  incarnation start(child_number who) override;
  void stop(child_number who) override;
  void kill(child_number who) override;
  void restarted(const child_restart& r) override;
  void give_up(const error_text& why) override;

  own_seat& at(child_number who) { return seats.at(machine->spec(who).id); }

  const supervision_tree tree;
  std::function<void(const own_event&)> observer;
  std::recursive_mutex mutex; // an observer may send
  std::condition_variable_any changed;
  std::optional<supervision> machine;          // none: not started
  std::optional<std::chrono::nanoseconds> due; // a timer is set
  std::optional<error_text> failure;
  bool stopping = false, ended = false;
  const std::chrono::steady_clock::time_point began = std::chrono::steady_clock::now();
  configuration config;
  caf::actor_system system;
  scheduler& timers;
  std::map<std::string, own_seat> seats; // handles of actors: gone before their system
};

namespace {

class own_player final : public caf::event_based_actor, private own_context {
public:
  own_player(caf::actor_config& config, own_actors::impl& world, own_seat& seat, incarnation life)
      : caf::event_based_actor(config), world_(world), seat_(seat), life_(life) {
    set_default_handler(caf::drop);
    set_exception_handler([this](std::exception_ptr& what) -> caf::error {
      how_ = {child_end::kind::failed, "an exception", how_.input};
      try {
        std::rethrow_exception(what);
      } catch (const std::exception& e) {
        how_.reason = e.what();
      } catch (...) {
      }
      return caf::exit_reason::unhandled_exception;
    });
  }

  caf::behavior make_behavior() override {
    return {[this](const own_envelope& e) { hear(e); }};
  }

  void on_exit() override {
    actor_.reset();
    world_.tell([this](supervision& m) { m.down(seat_.number, life_, how_, world_.now()); });
  }

private:
  [[nodiscard]] const std::string& id() const override { return seat_.id; }

  [[nodiscard]] incarnation life() const override { return life_; }

  void send(const std::string& to, std::any m) override { world_.send(to, std::move(m)); }

  void send_after(std::chrono::nanoseconds delay, std::any m) override {
    const caf::actor self = caf::actor_cast<caf::actor>(this);
    world_.timers.submit_after(
        delay, [self, e = own_envelope{{}, std::move(m)}] { caf::anon_send(self, e); });
  }

  void ready() override {
    world_.tell([this](supervision& m) { m.ready(seat_.number, life_, world_.now()); });
  }

  void finish() override { finished_ = true; }

  void hear(const own_envelope& e) {
    switch (e.what) {
    case own_envelope::kind::begin:
      how_.input = "its start";
      actor_ = seat_.make(*this);
      actor_->started();
      how_.input.clear();
      break;
    case own_envelope::kind::content:
      actor_->receive(e.content);
      break;
    case own_envelope::kind::stop:
      actor_->stopping();
      finished_ = true;
    }
    if (!finished_) return;
    how_ = {.how = child_end::kind::by_itself, .reason = "it ended", .input = {}};
    quit();
  }

  own_actors::impl& world_;
  own_seat& seat_;
  incarnation life_;
  std::unique_ptr<own_actor> actor_;
  bool finished_ = false;
  child_end how_{.how = child_end::kind::killed, .reason = "killed", .input = {}};
};

} // namespace

error own_actors::impl::unknown(const std::string& id) const {
  std::vector<std::string> names;
  for (const child_spec* c : actors_of(tree))
    names.push_back(c->id);
  const auto near = did_you_mean(id, names.data(), names.data() + names.size());
  return error({.what = fmt::format("no actor is called {}", id),
                .where = "supervision tree",
                .help = near.empty() ? "" : fmt::format("did you mean {}?", near)});
}

void own_actors::impl::send(const std::string& to, std::any m) {
  const std::lock_guard lock(mutex);
  if (const auto& player = at(to).player) caf::anon_send(player, own_envelope{{}, std::move(m)});
}

void own_actors::impl::kill(own_seat& s) const {
  if (s.player)
    caf::anon_send<caf::message_priority::high>(
        s.player, caf::exit_msg{caf::actor_addr{}, caf::exit_reason::kill});
}

incarnation own_actors::impl::start(child_number who) {
  own_seat& s = at(who);
  s.player = system.spawn<own_player>(std::ref(*this), std::ref(s), ++s.life);
  caf::anon_send(s.player, own_envelope{own_envelope::kind::begin, {}});
  return s.life;
}

void own_actors::impl::stop(child_number who) {
  if (const auto& player = at(who).player)
    caf::anon_send(player, own_envelope{own_envelope::kind::stop, {}});
}

void own_actors::impl::kill(child_number who) {
  kill(at(who));
}

void own_actors::impl::restarted(const child_restart& r) {
  if (observer) observer({own_event::kind::restarted, at(r.who).id, r.life, r.reason});
}

void own_actors::impl::give_up(const error_text& why) {
  if (!failure) failure = why;
  if (observer) observer({own_event::kind::given_up, {}, 0, why.what + ": " + why.why});
}

own_actors::own_actors(supervision_tree tree, int threads)
    : impl_(std::make_unique<impl>(std::move(tree), threads)) {}

own_actors::~own_actors() {
  stop();
  impl_->system.await_all_actors_done();
}

void own_actors::add(const std::string& id, own_actor_factory make) {
  own_seat& s = impl_->seats[id];
  s.id = id;
  s.make = std::move(make);
}

void own_actors::observe(std::function<void(const own_event&)> by) {
  impl_->observer = std::move(by);
}

void own_actors::start() {
  impl& w = *impl_;
  auto wrong = mistakes_of(w.tree);
  for (const child_spec* c : actors_of(w.tree))
    if (!w.seats.contains(c->id))
      wrong.push_back({.what = fmt::format("nobody plays {}", c->id),
                       .where = "supervision tree",
                       .why = "it was not added",
                       .help = fmt::format("add(\"{}\", ...) before start()", c->id)});
  if (!wrong.empty()) throw of_all(wrong);
  {
    const std::lock_guard lock(w.mutex);
    supervised_world& acted_on = w;
    w.machine.emplace(w.tree, acted_on);
    for (auto& [id, s] : w.seats) {
      const auto number = w.machine->find(id);
      if (!number) throw w.unknown(id);
      s.number = *number;
    }
  }
  w.tell([&](supervision& m) { m.begin(w.now()); });
}

void own_actors::send(const std::string& to, std::any m) {
  impl_->send(to, std::move(m));
}

void own_actors::kill(const std::string& id) {
  const std::lock_guard lock(impl_->mutex);
  impl_->kill(impl_->at(id));
}

std::optional<error_text> own_actors::wait() {
  std::unique_lock<std::recursive_mutex> lock(impl_->mutex);
  impl_->changed.wait(lock, [this] { return !impl_->machine || impl_->ended; });
  return impl_->failure;
}

void own_actors::stop() {
  impl_->tell([this](supervision& m) {
    if (!std::exchange(impl_->stopping, true)) m.stop(impl_->now());
  });
  wait();
}

} // namespace troupe
