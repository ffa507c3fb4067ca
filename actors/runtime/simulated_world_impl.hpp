// The inside of a simulated world: its seats, its events, and what happens to them. Of
// simulated_world.cpp and simulated_faults.cpp alone.
#pragma once

#include "actors/runtime/down_ledger.hpp"
#include "actors/runtime/simulated_world.hpp"
#include "actors/runtime/simulation/computing.hpp"
#include "actors/runtime/simulation/flat_table.hpp"
#include "actors/runtime/simulation/letter.hpp"
#include "actors/runtime/simulation/network.hpp"
#include "actors/runtime/simulation/node.hpp"
#include "actors/runtime/simulation/seat.hpp"
#include "actors/runtime/simulation/trace.hpp"
#include "actors/runtime/simulation/turns.hpp"
#include "ops/assert.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace troupe {

struct simulated_world::impl {
  using computing = simulation::computing;
  using duration = simulation::duration;
  using instant = simulation::instant;
  using letter = simulation::letter;
  using letters = simulation::letters;
  using running = simulation::running;
  using seat = simulation::seat;
  using simulated_node = simulation::simulated_node;

  explicit impl(simulated_world_options o)
      : options(std::move(o)),
        events(options.model.seed),
        net(options.model, events, mail, [this](const letter& l, bool copy) { hear(l, copy); }) {
    if (!options.files) options.files = std::make_shared<memory_disk>();
    by_index.reserve(options.actors);
    names.reserve(options.actors);
    by_address.reserve(options.actors);
  }

  seat& at(const address& who) {
    const auto* found = places.find(who);
    TROUPE_ASSERT(found != nullptr, "an address outside of the wiring: " + who.text());
    return by_index[*found];
  }

  // What an actor says to itself, heard by this life of it alone.
  letters::number to_itself(const seat& s, incarnation life, message m, instant sent = {}) {
    return mail.add({.from = s.index,
                     .to = s.index,
                     .to_life = life,
                     .to_node = s.node,
                     .sent = sent,
                     .content = std::move(m)});
  }

  void hear_itself(letters::number t) {
    hear(mail[t], false);
    mail.remove(t);
  }

  // Most seats of a large world need none.
  static fault_points& points_of(seat& s) {
    if (!s.points) s.points = std::make_unique<fault_points>();
    return *s.points;
  }

  simulated_node& node_of(const seat& s) { return node_at(s.node); }

  simulated_node& node_at(int number);
  [[nodiscard]] const node_model& model_of(int number) const;
  void begin_life(seat& s, duration delay);
  void enter(seat& s, incarnation life);
  void send(seat& from, seat& to, message m);
  void hear(const letter& l, bool copy);
  void note_heard(seat& s, const letter& l, bool copy);
  void end(seat& s, bool on_purpose, const std::string& reason, const std::string& input = {});
  void begin_supervisor(seat& s, const protocol::down& last);
  void note_death(seat& s);
  void submit(seat& s, running asked);
  void begin_compute(const std::shared_ptr<running>& r);
  void compute(const std::shared_ptr<running>& r);
  void tell(const running& r);
  void finish(const std::shared_ptr<running>& r);
  void end_all(const std::string& reason, const std::function<bool(const seat&)>& whom);
  void leave(int node);
  void join(int node);
  void happen(const fault& f);
  disk& files_of(int node);
  void order(std::function<void()> what); // any thread; it is done between two events
  void take_orders();
  void step();
  [[nodiscard]] wait_graph waits() const;

  simulated_world_options options;
  letters mail;
  simulation::event_queue events;
  simulation::network net;
  simulation::trace heard;
  computing::said said_before;
  std::vector<std::unique_ptr<simulated_node>> nodes; // by number; null: nobody was there yet
  std::set<int> absent;
  std::vector<seat> by_index;                                          // fixed after start()
  std::vector<address> names;                                          // by index, closer together
  std::vector<seat*> by_address;                                       // made by start()
  simulation::flat_table<address, std::uint32_t, address_hash> places; // in by_index
  bool paused = false;                                                 // some node, once
  std::set<int> full_disks;                                            // nodes whose disk is full
  std::unique_ptr<disk> no_space;                                      // what they write on
  std::vector<simulation_report::death> deaths;
  const seat* supervising = nullptr; // null: nobody
  down_ledger ledger;                // of what came to the supervisor's seat
  bool stopping = false;
  instant began_again{0}; // what was sent before is not heard
  world_observer* observer = nullptr;

  simulation::turns playing;                 // of who plays the world
  std::mutex mutex;                          // guards what other threads ask for
  std::vector<std::function<void()>> orders; // likewise
  std::atomic<bool> ordered{false};
};

} // namespace troupe
