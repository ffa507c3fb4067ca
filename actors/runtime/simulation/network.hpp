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
#include "actors/runtime/simulation/link.hpp"
#include "actors/runtime/simulation/model.hpp"
#include "actors/runtime/simulation/report.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace troupe::simulation {

class network {
public:
  struct flow {
    std::uint32_t from = 0, to = 0; // actors
    int from_node = 0, to_node = 0;
  };

  using arrival = std::function<void(bool copy)>;

  network(const simulation_model& model, event_queue& events);

  // `arrive` happens on the receiver's node.
  void send(const flow& f, std::int64_t bytes, arrival arrive);
  void cut(int from, int to);
  void heal(int from, int to);
  void isolate(whole what, int number);
  void reconnect(whole what, int number);

  [[nodiscard]] duration latency(int from, int to) const;
  [[nodiscard]] std::vector<simulation_report::link_use> use() const;
  [[nodiscard]] std::string cuts_text() const; // "0 -> 1, node 2"; empty: none
  [[nodiscard]] duration linger();             // at random, where the order explores

private:
  // What was sent by one actor to another, from node to node, in order.
  struct channel {
    std::uint64_t sent = 0, heard = 0;
    std::map<std::uint64_t, std::function<void()>> early; // by number
  };

  enum class place : std::uint8_t { port_out, port_in, uplink_out, uplink_in, own };

  struct shared {
    explicit shared(double bytes_per_second) : carries(bytes_per_second) {}

    link carries;
    instant planned = instant::max(); // the event of its next end
  };

  struct edge {
    explicit edge(link_model m) : model(std::move(m)) {}

    link_model model;
    duration latency{0};
    std::vector<shared*> passes;
    simulation_report::link_use use;
    bool cut = false;
    std::vector<std::function<void()>> unsent, held; // sent, and arrived, while it was cut
  };

  edge& edge_of(int from, int to);
  [[nodiscard]] const link_model& model_of(int from, int to) const;
  [[nodiscard]] double port_rate(int node) const;
  [[nodiscard]] bool crosses_racks(int from, int to) const;
  [[nodiscard]] bool is_cut(const edge& e) const;
  void release();
  void pass(edge& e, std::uint64_t pair, std::int64_t bytes, link::passed passed);
  void plan_end(shared& s);
  void end_due(shared& s);
  void travel(edge& e, std::function<void()> arrive);
  void in_order(channel& c, std::uint64_t number, std::function<void()> hear);
  bool chance(random_stream& draws, double probability);

  const simulation_model& model_;
  event_queue& events_;
  std::map<std::tuple<std::uint32_t, std::uint32_t, int, int>, channel> channels_;
  std::map<std::pair<int, int>, edge> edges_;
  std::map<std::tuple<place, int, int>, shared> shared_;
  std::set<std::pair<whole, int>> isolated_;
  random_stream jitter_, loss_, duplicates_, exploring_;
  float spread_seconds_ = 0; // how long messages linger at most
};

} // namespace troupe::simulation
