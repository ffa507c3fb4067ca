// Who is up: handshakes, links and their connections of one node, as a plain state machine. Who
// owns it (net/zeromq/node, or a test) brings what connections carry and the time, and does what
// it is told: dial, send, close. Events say who is up or down and what came, in order.
//
// - A peer is *up* from its handshake until it ended, was replaced by another life of its node, was
//   given up, or lost the trust in its key: one `down` for each `up`, with the reason.
// - A broken connection is nobody's end: it is dialled again, and what was on its way goes again.
// - A node number belongs to the life that came last; an older one is told so and not heard again.
#pragma once

#include "net/borrower.hpp"
#include "net/dial_list.hpp"
#include "net/introduction.hpp"
#include "net/lender.hpp"
#include "net/reliable_link.hpp"
#include "net/trust.hpp"
#include "net/wire_faults.hpp"

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace troupe::net {

// What is lost on a connection is lost with it: nothing is sent again on the same one.
inline link_options link_over_connections() {
  link_options out;
  out.resend_after = std::chrono::hours(24);
  return out;
}

struct session_options {
  node_life me{no_node, 0}; // no_node: the first that answers gives a number
  introduction self;
  std::optional<trust_list> trust;                     // none: whoever comes is believed
  std::pair<std::uint32_t, std::uint32_t> gives{1, 0}; // numbers for who has none: first, last
  bool dials_neighbours = true;                        // that a welcome tells of
  link_options link = link_over_connections();
  dial_options dial;
  frame_limits limits;
  std::chrono::nanoseconds handshake_within = std::chrono::milliseconds(1000);
  std::chrono::nanoseconds give_up_after = std::chrono::milliseconds(1000);
  // How long a connection may outlive the process at its other end: it is read until it breaks.
  std::chrono::nanoseconds last_words_within = std::chrono::milliseconds(100);
  std::size_t connections_max = 4096;
  std::shared_ptr<lender> lends;                  // none: all payloads are sent
  std::shared_ptr<const wire_faults> faults = {}; // none: whatever comes is heard
};

struct peer {
  node_life who;
  std::vector<std::string> roles;
  std::string key_name; // in the list of trusted keys; "": no encryption
  process_name process;
};

struct peer_up {
  peer who;
};

struct peer_down {
  node_life who;
  std::string reason;
  std::size_t unacknowledged = 0; // parcels of which nobody knows whether they arrived
};

struct parcel_came {
  node_life from;
  parcel content;
};

// Somebody was refused, here or there; told once.
struct node_refused {
  std::string text;
};

using session_event = std::variant<peer_up, peer_down, parcel_came, node_refused>;

struct dial_order {
  connection id = 0;
  std::string endpoint, server_key;
};

struct sending {
  connection to = 0;
  frame what;
};

struct link_report {
  node_life who;
  bool borrows = false; // reads tensors in the memory of this process
  bool connected[lanes] = {};
  std::uint64_t reconnections = 0;
  std::size_t kept_bytes = 0; // waiting or not acknowledged
  link_counts counts;
};

struct session_counts {
  std::uint64_t malformed = 0, refused = 0, strangers = 0; // frames, nodes, frames of nobody
};

class sessions {
public:
  explicit sessions(session_options options);

  void dial(const std::string& endpoint, const std::string& server_key);
  void trust(trust_list list, time_point now);                    // who is in it no more is down
  bool post(const node_life& to, lane_kind lane, parcel content); // false: is not up

  // A message of a connection, which was dialled or is heard of for the first time. `key`: that
  // the connection was proven to have; "" without encryption.
  void received(connection c,
                const std::string& key,
                std::span<const std::byte> first,
                std::vector<payload> payloads,
                time_point now);
  void broken(connection c, const std::string& why, time_point now);
  void process_ended(const node_life& who, time_point now); // its, if that is known
  void advance(time_point now);                             // what time alone decides
  void stop(const std::string& why, time_point now);        // says bye; every peer is down

  connection fresh_connection() { return next_connection_++; }

  std::optional<dial_order> next_dial(time_point now);
  std::optional<connection> next_close();
  std::optional<sending> next_sending(time_point now);
  std::optional<session_event> next_event();

  [[nodiscard]] time_point wake_at() const;
  [[nodiscard]] bool is_drained() const;

  [[nodiscard]] node_life me() const { return options_.me; }

  [[nodiscard]] std::vector<link_report> links() const;

  [[nodiscard]] std::vector<dial_report> dials() const { return dials_.report(); }

  [[nodiscard]] session_counts counts() const { return counts_; }

private:
  struct meeting { // a connection
    std::optional<dial_list::order> dialled;
    lane_kind lane = lane_kind::small;
    std::string key;
    node_life peer{no_node, 0}; // whose lane it is; life 0: not known yet
    time_point until{0};        // to be known
  };

  struct session {
    peer who;
    introduction self;
    std::uint64_t gave_up = 0, heard_gave_up = 0; // links before this one: by us, by the peer
    reliable_link link;
    std::shared_ptr<const borrower> memory; // of its process; none: all payloads come
    bool borrows = false;                   // it reads the memory of this one
    connection route[lanes] = {};
    time_point away_since{0};
    time_point asks_at{0}; // for the bulk lane, if that is missing then
    int asked = 0;         // for it, since a lane came
    std::optional<time_point> process_ended;
    std::string trouble;
    std::uint64_t reconnections = 0;
  };

  // Whether the life may come back, and who counts the link that ended.
  enum class ending { for_good, given_up_here, given_up_there };

  void take(connection c, meeting& at, frame f, time_point now);
  void greeted(connection c, const meeting& at, const frame& f, time_point now);
  void joined(connection c, meeting& at, const frame& f, time_point now);
  void welcomed(connection c, meeting& at, const frame& f, time_point now);
  void was_refused(connection c, const meeting& at, const frame& f, time_point now);
  void parted(const meeting& at, const frame& f, time_point now);
  void carried(connection c, const meeting& at, frame f, time_point now);
  static bool borrow(const session& s, parcel& content);

  [[nodiscard]] std::string
  objection(const meeting& at, const node_life& who, const introduction& theirs) const;
  [[nodiscard]] std::string
  key_objection(const meeting& at, std::uint32_t node, const introduction& theirs) const;
  std::uint32_t number_for(const meeting& at, std::uint64_t life);
  session* find(const node_life& who);
  [[nodiscard]] bool is_linked(const node_life& who) const;
  [[nodiscard]] bool has_ended(const node_life& who) const;
  [[nodiscard]] std::uint64_t given_up(const node_life& who) const;
  session& open(const node_life& who, const meeting& at, const hello_body& said, time_point now);
  void make_room(const node_life& who, std::uint64_t heard_gave_up, time_point now);
  void attach(session& s, lane_kind lane, connection c, meeting& at, time_point now);
  void detach(connection c, const std::string& why, time_point now);
  void drop(connection c, const std::string& why, time_point now);
  void down(std::uint32_t node, const std::string& reason, ending how, time_point now);
  void end(const node_life& who);
  void check(session& s, time_point now);
  void ask_again(session& s, lane_kind lane, const std::string& why);
  [[nodiscard]] std::optional<time_point> asks_at(const session& s) const;
  void wait_for_bulk(session& s, time_point now) const;
  [[nodiscard]] time_point given_up_at(const session& s) const;
  void say(connection c, frame_kind kind, node_life to, lane_kind lane, std::vector<std::byte>);
  void reject(connection c, const meeting& at, const std::string& why, time_point now);
  void refuse(connection c, bool again, const std::string& text, time_point now);
  void tell(const std::string& text);
  [[nodiscard]] welcome_body neighbours_for(const node_life& who) const;
  void learn(const std::vector<neighbour>& neighbours);

  session_options options_;
  dial_list dials_;
  connection next_connection_ = 1;
  std::map<connection, meeting> meetings_;
  std::map<std::uint32_t, session> sessions_;                                // by node
  std::map<std::pair<std::uint32_t, std::uint64_t>, std::uint64_t> gave_up_; // links, by life
  std::map<std::uint32_t, std::uint64_t> given_; // numbers to those who had none: their lives
  std::deque<node_life> ended_;                  // for good
  std::deque<sending> to_say_;
  std::deque<connection> to_close_;
  std::deque<session_event> events_;
  std::set<std::string> told_;
  std::uint32_t turn_ = 0; // the node that may send next
  session_counts counts_;
};

} // namespace troupe::net
