// The inside of a world of several nodes. Of cluster_world*.cpp alone.
#pragma once

#include "actors/runtime/cluster_world.hpp"
#include "actors/runtime/figures_board.hpp"
#include "actors/runtime/membership.hpp"
#include "actors/runtime/missing_nodes.hpp"
#include "actors/runtime/talk_mutex.hpp"
#include "actors/runtime/wait_desk.hpp"
#include "net/wire_faults.hpp"
#include "ops/error.hpp"

#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

namespace troupe {

inline live_world_options with_far_side(live_world_options o, far_world& beyond) {
  o.beyond = &beyond;
  return o;
}

struct cluster_world::impl final : far_world {
  explicit impl(cluster_world_options o)
      : options(std::move(o)),
        me(options.link.number),
        known(me),
        leader(known,
               options.nodes,
               {options.start, options.start_at},
               options.has_state,
               options.copies_of),
        board(options.nodes),
        here(with_far_side(options.live, *this)),
        desk(
            [this](std::uint32_t node, const cluster_order& said) {
              const std::lock_guard lock(mutex);
              order_to(node, said);
            },
            [this] { return here.waits(); }) {
    options.link.faults = wire;
  }

  // What actors here want from elsewhere.
  [[nodiscard]] bool has(const address& who) const override { return !known.is_here(who); }

  void send(const address& from, incarnation from_life, const address& to, message m) override;
  void kill(const address& who) override;
  incarnation start(const address& who) override;

  // What the links say, on the thread of the node.
  void heard(const net::node_life& from, const net::parcel& content);
  void up(const net::peer& who);
  void down(const net::peer_down& what);
  void refused(const std::string& text);
  void relieved(const net::node_life& who);

  void hear(std::uint32_t from, addressed_message m, std::shared_ptr<const void> credit);
  void obey(const net::node_life& from, const cluster_order& o);
  void take(const order::place& o);
  bool begins_like(const order::view& o);
  void apply(const membership::outcome& what);
  void begin(const order::place& o);
  bool prepare_to_begin(const order::place& o);
  void end_here();
  void end_emptied(); // of node 0: drained nodes
  void flush();
  void order_to(std::uint32_t node, const cluster_order& o);
  void happen(const fault& what); // on this node
  void post(const net::node_life& to, net::lane_kind lane, const net::parcel& content);
  void finish(order::over how); // of a node that does not lead
  void tell(node_news::kind what, std::vector<std::uint32_t> nodes, std::string text);
  void look_out();
  void judge(std::chrono::nanoseconds now);
  void tell_figures(std::unique_lock<talk_mutex>& lock, std::chrono::nanoseconds now);
  void look_for_missing(missing_nodes& wait, std::chrono::nanoseconds now);
  [[nodiscard]] std::chrono::nanoseconds patience_of(const missing_nodes& wait) const;
  [[nodiscard]] std::vector<std::uint32_t> missing() const;
  [[nodiscard]] std::string trouble() const;
  [[nodiscard]] std::optional<std::string> refused_for_good() const;
  void give_up_waiting(error_text why);
  [[nodiscard]] roll_call call_roll();

  [[nodiscard]] bool leads() const { return me == 0; }

  [[nodiscard]] bool is_playing() const { return leads() ? plays : taken_in; }

  cluster_world_options options; // fixed once it is made
  const std::uint32_t me;

  // A role's thread and the links' meet here. Nothing below waits, or calls back.
  talk_mutex mutex;
  std::condition_variable_any changed;
  const std::shared_ptr<net::wire_faults> wire = std::make_shared<net::wire_faults>();
  directory known;
  membership leader;                               // of node 0
  figures_board board;                             // likewise
  std::map<std::uint32_t, std::uint64_t> links;    // lives of nodes that are linked
  std::map<std::uint32_t, std::uint32_t> ordinals; // links so far, by node
  std::chrono::nanoseconds figures_at{0};          // when they are told next
  std::map<std::uint32_t, std::deque<std::pair<net::lane_kind, net::parcel>>> backlog;
  std::string begins_at; // of the others: not where they were told to
  bool taken_in = false; // likewise: it heard who plays what
  bool plays = false;    // of node 0: the job has begun
  bool gave_up = false;  // node 0, to wait for others
  bool ending = false;
  bool beginning_again = false;    // of node 0
  std::optional<order::over> over; // of the others
  std::deque<node_news> news;      // to be told

  struct report {
    std::chrono::nanoseconds due;
    std::uint32_t from;
    order::lost what;
  };

  std::deque<report> reports; // to node 0, of lost links between others
  std::string last_refusal;
  std::optional<error_text> nobody_came; // before the job began
  order::over conclusion{.interrupted = true, .failure = {.what = "node 0 ended without a result"}};

  std::optional<net::node> link; // calls back until it is stopped
  live_world here;
  std::thread lookout;
  wait_desk desk; // asks, and is asked, who waits for what
};

// What is told to another node, and what that makes of it; throws net::malformed.
order::inject order_of(const fault& f);
fault fault_of(const order::inject& o);

} // namespace troupe
