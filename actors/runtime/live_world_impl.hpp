// The inside of a live world: its seats, and who runs them. Of live_world.cpp alone.
#pragma once

#include "actors/message_facts.hpp"
#include "actors/runtime/down_ledger.hpp"
#include "actors/runtime/fault_points.hpp"
#include "actors/runtime/limited_disk.hpp"
#include "actors/runtime/live_computation.hpp"
#include "actors/runtime/live_world.hpp"
#include "actors/runtime/lookout.hpp"
#include "actors/runtime/scheduler.hpp"
#include "ops/assert.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/exit_reason.hpp>
#include <caf/send.hpp>
#include <fmt/format.h>

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <tuple>
#include <utility>
#include <vector>

namespace troupe::live {

// What an actor says to itself (timers, results of its computations) is for one incarnation. What
// others say is for whoever plays the role, and is heard even if the speaker has died since: it
// carries a key, and equal keys mean equal bits.
struct envelope {
  troupe::address from;
  troupe::incarnation to_life = 0; // 0: whoever plays the role
  troupe::message content;
  std::chrono::nanoseconds sent{0};   // told to an observer
  std::shared_ptr<const void> credit; // of a link: its sender may send more once this is handled
};

// What an actor says when it is asked what it waits for.
struct answer {
  std::vector<wait> waits;
  std::uint64_t unheard = 0; // messages
};

class answers {
public:
  explicit answers(std::size_t asked);

  void note(std::size_t who, answer a);
  void leave_out(); // one who is not there
  std::vector<std::optional<answer>> wait(std::chrono::nanoseconds within);

private:
  std::mutex mutex_;
  std::condition_variable complete_;
  std::vector<std::optional<answer>> all_;
  std::size_t missing_;
};

struct question {
  std::shared_ptr<answers> to;
  std::size_t who = 0; // that is asked
};

} // namespace troupe::live

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::live::envelope)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::live::question)

namespace troupe {

namespace live {

// Exists while a thread talks to actors: see scheduler::run_actor.
struct sending {
#if defined(__SANITIZE_THREAD__)
  const std::lock_guard<std::recursive_mutex> lock{scheduler::order()};
#else
  sending() {} // not trivial: no warning about an unused variable
#endif
};

// One address of the directory: who plays it now.
struct seat {
  address who;
  std::atomic<bool> here{true}; // else in another process
  role_factory make;
  fault_points points;
  std::atomic<double> slowness{1}; // of its kernels
  mutable std::mutex mutex;        // guards what follows
  caf::actor player;
  incarnation life = 0;
  incarnation first_life = 1; // with which the job began, or began again
  std::shared_ptr<activity> doing = std::make_shared<activity>(); // of that life
  incarnation given_up = 0;            // up to this one it was taken for dead, and that was told
  std::optional<progress_watch> watch; // of the lookout; none: it may take for ever

  // When the lookout saw it get further last.
  struct movement {
    incarnation life = 0;
    std::uint64_t progress = 0;
    std::chrono::nanoseconds when{0};
  };

  std::optional<movement> moved;

  std::pair<caf::actor, incarnation> current() const {
    const std::lock_guard lock(mutex);
    return {player, life};
  }

  bool begins_with(incarnation life_of_player) const {
    const std::lock_guard lock(mutex);
    return life_of_player == first_life;
  }
};

} // namespace live

using live::envelope;
using live::seat;
using live::sending;

struct live_world::impl final : computation_site {
  explicit impl(const live_world_options& options)
      : beyond(options.beyond),
        progress_within(options.progress_within),
        progress_tick(options.progress_tick),
        config(options),
        system(config),
        threads(static_cast<scheduler&>(system.scheduler())) {}

  struct configuration : caf::actor_system_config {
    explicit configuration(const live_world_options& options) {
      load<scheduler>();
      caf::put(content, scheduler::kernel_threads_key, options.kernel_threads);
      caf::put(content, scheduler::service_threads_key, options.service_threads);
    }
  };

  seat* find(const address& who) {
    const auto found = seats.find(who);
    return found == seats.end() ? nullptr : found->second.get();
  }

  // `from_life`: of the sender.
  void deliver(const address& to, envelope e, incarnation from_life = 0) {
    seat* target = find(to);
    TROUPE_ASSERT(target != nullptr, "message to an address outside of the wiring: " + to.text());
    if (target->here)
      deliver(*target, std::move(e));
    else
      beyond->send(e.from, from_life, to, std::move(e.content));
  }

  void deliver(const seat& target, envelope e) {
    if (target.who.role == role_kind::supervisor) note_death(e.content);
    const sending order;
    const auto [player, life] = target.current();
    if (observer != nullptr) e.sent = now();
    if (!player || (e.to_life != 0 && e.to_life != life)) return;
    caf::anon_send(player, std::move(e));
  }

  [[nodiscard]] std::chrono::nanoseconds now() const override {
    return std::chrono::steady_clock::now() - began;
  }

  void say(const address& who, incarnation life, message m) override {
    deliver(who, envelope{who, life, std::move(m)});
  }

  void later(std::chrono::nanoseconds delay, std::function<void()> what) override {
    threads.submit_after(delay, std::move(what));
  }

  [[nodiscard]] world_observer* watcher() const override { return observer; }

  disk& files() override { return disk_here; }

  void happen(const fault& what);
  void wake_all();
  static incarnation next_life(seat& s);
  void seat_player(seat& s, incarnation life); // lazily: it does nothing before its first message
  void wake(seat& s);
  incarnation begin(seat& s); // the next
  incarnation start(const address& who);
  void kill(const address& who);
  void ended(protocol::down how);
  void tell_end(protocol::down how);
  void while_ending(const std::function<void()>& tell);
  void note_death(const message& m); // before it is delivered to the supervisor
  void begin_supervisor(const protocol::down& last);
  void tell_death(protocol::down how);
  void look_for_stuck();
  void note_progress(seat& s) const;
  [[nodiscard]] waiting_actor actor_at(const seat& s,
                                       const std::optional<live::answer>& said) const;
  void begin_lookout(); // the first time
  void give_up(seat& s, incarnation life, std::chrono::nanoseconds waited);

  far_world* const beyond;
  const std::function<std::chrono::nanoseconds(const address&)> progress_within;
  const std::chrono::nanoseconds progress_tick;
  configuration config;
  caf::actor_system system;
  scheduler& threads;
  std::map<address, std::unique_ptr<seat>> seats; // fixed after start()
  bool looks_out = false;                         // under `starting`
  lookout for_stuck;
  std::mutex starting; // held where a life begins, and where `stopping` becomes true
  std::atomic<bool> stopping{false};
  // Guarded by `starting`.
  bool beginning_again = false; // nobody else begins meanwhile
  int ending = 0;               // that have ended, but not told it
  std::condition_variable all_ended;
  world_observer* observer = nullptr; // fixed after start()
  limited_disk disk_here{machine_disk()};
  std::atomic<bool> paused{false}; // nobody here hears anything
  std::atomic<double> slowness{1}; // of all that is computed here
  std::mutex ledger_mutex;         // nothing is sent under it
  down_ledger ledger;              // where the supervisor is
  std::chrono::steady_clock::time_point began = std::chrono::steady_clock::now();
};

} // namespace troupe
