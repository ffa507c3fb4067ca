// The live runtime of a job with several nodes, each a process: the actors of this node are here,
// those of the others are reached over links (net/zeromq/node.hpp). Node 0 leads: it has the
// supervisor, takes nodes in, and says who plays what. A node that loses node 0 ends its actors and
// waits to be taken in again.
//
// Every node adds all roles of the wiring, and plays those that are its own.
#pragma once

#include "actors/runtime/live_world.hpp"
#include "actors/wire/order.hpp"
#include "net/zeromq/node.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace troupe {

// What there is to tell people about the nodes of a job.
struct node_news {
  enum class kind { waiting, up, down, refused };

  kind what = kind::waiting;
  std::vector<std::uint32_t> nodes; // that are waited for, or that one
  std::string text;                 // "waiting for 1 of 4 nodes: 3"
};

struct cluster_world_options {
  live_world_options live;
  net::node_options link;  // number, job, digests, endpoints, keys
  std::string coordinator; // where node 0 is met, for people
  std::uint32_t nodes = 1;
  std::string start; // where the job begins: of nodes that have a part of it the same; else empty
  std::string start_at; // its checkpoint, if it begins at one: other nodes go there
  std::function<std::uint32_t(const address&)> node_of;
  std::function<bool(const address&)> has_state; // that others may not have
  // Who are not to be on one node, if there are others; may be empty.
  std::function<std::vector<address>(const address&)> copies_of;
  std::optional<std::chrono::nanoseconds>
      move_after; // a lost node's actors; none: they wait for it
  // Of the others: the job begins again there; returns why it cannot, or nothing.
  std::function<std::string(const std::string& where)> on_begin_again;
  // Called by a thread of their own, in order.
  std::function<void(const node_news&)> on_news; // may be empty
  // Of node 0, while the job plays: nodes and links, so often; of very many links less often.
  std::function<void(const cluster_figures&)> on_figures; // may be empty
  std::chrono::nanoseconds figures_every = std::chrono::milliseconds(1000);
  // On all nodes but 0, once: the job is over, or this node cannot take part any more.
  std::function<void(const order::over&)> on_over;
  std::chrono::nanoseconds first_word = std::chrono::milliseconds(1000); // while nodes are missing
  std::chrono::nanoseconds advice_after = std::chrono::seconds(10);      // cause and cure
  std::chrono::nanoseconds verdict_after = std::chrono::milliseconds(1500); // of a lost link
  std::chrono::nanoseconds join_within = std::chrono::minutes(5);           // before the job begins
  std::chrono::nanoseconds rejoin_within = std::chrono::minutes(1);         // once it has
};

class cluster_world final : public world {
public:
  explicit cluster_world(cluster_world_options options); // throws error
  ~cluster_world() override;

  void add(const address& who, role_factory make) override;
  void kill_at(const fault_point& where) override;
  void slow(const address& who, double factor) override;
  void observe(world_observer& by) override;
  void start() override; // node 0 waits for the others; throws error when its patience ends

  void play(const std::function<bool()>&) override {}

  void begin_again(const std::string& where, const std::function<void()>& set) override;

  void send(const address& to, message m) override;
  void kill(const address& who) override;
  void inject(const fault& what) override;
  [[nodiscard]] std::string refusal(const fault& what) const override;
  [[nodiscard]] std::chrono::nanoseconds now() const override;
  void after(std::chrono::nanoseconds delay, std::function<void()> what) override;
  void stop() final;
  wait_graph waits() override; // node 0 asks all nodes; others know what is theirs

  void conclude(const order::over& how); // of node 0: told to the others by stop()
  // Of node 0: the node's actors go on elsewhere; then it ends, if it is there. It may come again.
  void drain(std::uint32_t node);

private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

} // namespace troupe
