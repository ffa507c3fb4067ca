// How messages get from actor to actor in a simulated world: once and in order between two actors,
// as the links promise, each as late as its link makes it.
#pragma once

#include "actors/runtime/simulation/event_queue.hpp"
#include "actors/runtime/simulation/link.hpp"
#include "actors/runtime/simulation/model.hpp"
#include "actors/runtime/simulation/report.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <string>
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

  [[nodiscard]] duration latency(int from, int to) const;
  [[nodiscard]] std::vector<simulation_report::link_use> use() const;
  [[nodiscard]] std::string cuts_text() const; // "0 -> 1, 2 -> 0"; empty: none
  [[nodiscard]] duration linger();             // at random, where the order explores

private:
  // What was sent by one actor to another, in order.
  struct channel {
    std::uint64_t sent = 0, heard = 0;
    std::map<std::uint64_t, std::function<void()>> early; // by number
  };

  struct edge {
    explicit edge(const link_model& m, int from, int to)
        : model(m), pipe(m.bytes_per_second), use{.from = from, .to = to} {}

    link_model model;
    link pipe;
    simulation_report::link_use use;
    std::vector<std::function<void()>> held; // arrived while it was cut
  };

  edge& edge_of(int from, int to);
  [[nodiscard]] const link_model& model_of(int from, int to) const;
  void plan_end(edge& e);
  void travel(edge& e, std::function<void()> arrive);
  void in_order(channel& c, std::uint64_t number, std::function<void()> hear);
  bool chance(random_stream& draws, double probability);

  const simulation_model& model_;
  event_queue& events_;
  std::map<std::pair<std::uint32_t, std::uint32_t>, channel> channels_;
  std::map<std::pair<int, int>, edge> edges_;
  random_stream jitter_, loss_, duplicates_, exploring_;
  float spread_seconds_ = 0; // how long messages linger at most
};

} // namespace troupe::simulation
