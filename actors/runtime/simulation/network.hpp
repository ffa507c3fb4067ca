// How messages get from actor to actor in a simulated world: once and in order between two actors,
// as the links promise, each as late as what it passes makes it.
//
// A message passes the sender's port, the link of the two nodes where that is narrower than both
// ports, the uplinks of both racks if they differ, and the receiver's port: at once, as a stream of
// packets does, so a message alone takes the time of the narrowest. Each of them shares its
// bandwidth by itself among the flows that pass it (link.hpp), and a message has passed when the
// slowest has carried it. The cost of a message does not depend on how many share a port.
//
// Max-min fair rates (Bertsekas and Gallager, Data Networks, 6.5.2) would couple all flows of the
// cluster. Where only one thing on the way is shared, both are the same. Where several are, a flow
// that is held up elsewhere takes its whole share here at first and leaves earlier: the others wait
// for it sooner, but not for more bytes; and a flow that meets one crowd after the other waits for
// both at the same time, so it is early by a factor of two at most for two crowds.
#pragma once

#include "actors/runtime/simulation/event_queue.hpp"
#include "actors/runtime/simulation/flat_table.hpp"
#include "actors/runtime/simulation/letter.hpp"
#include "actors/runtime/simulation/link.hpp"
#include "actors/runtime/simulation/model.hpp"
#include "actors/runtime/simulation/report.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace troupe::simulation {

struct shared {
  shared(double bytes_per_second, passage as) : carries(bytes_per_second, as) {}

  link carries;
  instant planned = instant::max(); // the event of its next end
};

// One direction of two nodes.
struct edge {
  struct stopped { // while a link was cut
    std::vector<letters::number> unsent, held;
  };

  const link_model* model = nullptr;
  std::unique_ptr<shared> own;      // where it is narrower than the ports
  std::unique_ptr<stopped> waiting; // null: nothing is
  bool cut = false;
  int to_lose = 0; // of the next
  simulation_report::link_use use;
};

class network {
public:
  using hearing = std::function<void(const letter&, bool copy)>;

  // `hear` happens on the receiver's node. What was heard is removed from `letters`.
  network(const simulation_model& model, event_queue& events, letters& mail, hearing hear);

  void send(letters::number t, int from_node);

  // Of one that was not sent yet.
  void set_fate(letters::number t, const message_fate& f) { fates_[t] = f; }

  // What will be touched when it is heard, and what when its receiver sends something: what is
  // near, then what that leads to.
  static void prefetch_near(const letter& l) { __builtin_prefetch(l.by); }

  void prefetch_far(const letter& l) const {
    if (l.by != nullptr && l.by->along != nullptr) __builtin_prefetch(&l.by->along->use);
    const auto node = static_cast<std::size_t>(l.to_node);
    if (node < ports_.size() && ports_[node]) __builtin_prefetch(ports_[node].get(), 1);
  }

  void cut(int from, int to);
  void heal(int from, int to);
  void lose(int from, int to, int count); // of the next messages, each once
  void isolate(whole what, int number);
  void reconnect(whole what, int number);

  [[nodiscard]] duration latency(int from, int to) const;
  [[nodiscard]] std::vector<simulation_report::link_use> use() const;
  [[nodiscard]] std::string cuts_text() const;       // "0 -> 1, node 2"; empty: none
  [[nodiscard]] bool is_held(const letter& l) const; // until its link heals
  [[nodiscard]] duration linger();                   // at random, where the order explores

private:
  struct channel_key {
    std::uint64_t actors = 0, nodes = 0;
    friend auto operator<=>(const channel_key&, const channel_key&) = default;
  };

  struct channel_hash {
    std::size_t operator()(const channel_key& k) const noexcept {
      return number_hash{}(k.actors ^ (k.nodes << 13U));
    }
  };

  struct port {
    port(double bytes_per_second, passage as_out, passage as_in)
        : out(bytes_per_second, as_out), in(bytes_per_second, as_in) {}

    shared out, in;
  };

  static std::uint64_t pair_of(std::uint32_t from, std::uint32_t to) {
    return (std::uint64_t{from} << 32U) | to;
  }

  static std::uint64_t pair_of_nodes(int from, int to) {
    return pair_of(static_cast<std::uint32_t>(from), static_cast<std::uint32_t>(to));
  }

  channel& channel_of(const letter& l, int from_node);
  edge& edge_of(int from, int to);
  port& port_of(int node, double rate);
  port& uplink_of(int rack);
  [[nodiscard]] const link_model& model_of(int from, int to) const;
  [[nodiscard]] double port_rate(int node) const;
  [[nodiscard]] bool crosses_racks(int from, int to) const;
  [[nodiscard]] bool is_cut(const edge& e) const;
  static edge::stopped& waiting_at(edge& e);
  void release();
  void pass(letters::number t);
  void carry(shared& by, letters::number t);
  void plan_end(shared& s);
  void end_due(shared& s);
  [[nodiscard]] duration travel_time(edge& e);
  void plan_arrival(letters::number t);
  void arrival_due(letters::number t);
  void arrive(letters::number t);
  void hear(letters::number t);
  [[nodiscard]] std::optional<duration> copy_after(letters::number t);
  bool chance(random_stream& draws, double probability);

  const simulation_model& model_;
  event_queue& events_;
  letters& letters_;
  hearing hear_;
  flat_table<channel_key, std::uint32_t, channel_hash> channel_places_;
  std::deque<channel> channels_;
  flat_table<std::uint64_t, std::uint32_t> edge_places_; // by the pair of nodes
  std::deque<edge> edges_;
  std::vector<std::unique_ptr<port>> ports_, uplinks_; // by node, by rack
  std::map<std::pair<std::uint32_t, std::uint32_t>, letters::number>
      early_;                                     // by channel and number
  std::map<letters::number, message_fate> fates_; // until they are heard
  std::set<std::pair<whole, int>> isolated_;
  random_stream jitter_, loss_, duplicates_, exploring_;
  std::uint32_t plans_ = 0;  // of arrivals
  float spread_seconds_ = 0; // how long messages linger at most
};

} // namespace troupe::simulation
