// Exactly once and in order between two lives of two nodes, over connections that lose what is on
// its way when they break. Per lane: parcels are numbered, kept until they are acknowledged, and
// sent again from the first that is missing ("go back N"). What is on its way is bounded by a
// window in bytes, the credit; what is beyond it waits here. What came counts until its owner has
// taken it (net/intake), so a slow owner holds up the sender. A lane whose connection is broken
// sends nothing until there is another. Small parcels that wait go together, in one frame.
//
// A plain state machine: who owns it brings frames and time, and takes frames away. It knows no
// socket, so it runs live and simulated.
#pragma once

#include "net/frame.hpp"
#include "net/intake.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

namespace troupe::net {

using time_point = std::chrono::nanoseconds; // monotonic, of this node

struct link_options {
  // On its way or not taken yet; the same at both ends, or the smaller one's end waits at times.
  std::array<std::size_t, lanes> window_bytes = {std::size_t{1} << 20, std::size_t{32} << 20};
  std::chrono::nanoseconds resend_after = std::chrono::milliseconds(200); // without progress
  std::chrono::nanoseconds acknowledge_within = std::chrono::milliseconds(5);
  std::chrono::nanoseconds heartbeat = std::chrono::milliseconds(200);
  std::chrono::nanoseconds silent_after = std::chrono::milliseconds(600);
  // A lane without progress for so long, plus what its bytes take at the slowest speed, is stuck.
  std::chrono::nanoseconds stuck_after = std::chrono::milliseconds(1000);
  double slowest_bytes_per_second = 4e6;
  std::function<void()> on_taken; // called by any thread when next() may have something for it
};

struct link_counts {
  std::uint64_t parcels_sent = 0, parcels_received = 0; // each counted once
  std::uint64_t bytes_sent = 0, bytes_received = 0;     // likewise
  std::uint64_t resent = 0, duplicates = 0, gaps = 0;
  std::size_t unacknowledged_bytes = 0, waiting_bytes = 0;
  std::size_t untaken_bytes = 0;          // that came; their owner has not taken them
  std::size_t credit_bytes = 0;           // of both windows: what may be sent at once
  std::chrono::nanoseconds round_trip{0}; // the last that was measured, without the time at rest
};

class reliable_link {
public:
  reliable_link(node_life here, node_life there, link_options options, time_point now);

  void post(lane_kind lane, parcel content);

  // What is to be sent now; small ones first. Nothing: wait until `wake_at`, or for the other side.
  std::optional<frame> next(time_point now);

  // Whether accept() will deliver what it holds.
  [[nodiscard]] bool awaits(const frame& f) const;

  // A frame from the other side, of kind parcel or state. What it delivers, in order.
  std::vector<parcel> accept(frame f, time_point now);

  // The lane's connection. States go with the small lane's. In the beginning both are there.
  void broken(lane_kind lane);
  void reconnected(lane_kind lane, time_point now); // what is not acknowledged goes again

  [[nodiscard]] time_point wake_at() const;           // when next() may have something
  [[nodiscard]] bool is_silent(time_point now) const; // nothing was heard for too long
  [[nodiscard]] bool is_stuck(lane_kind lane, time_point now) const;
  [[nodiscard]] bool is_drained() const; // everything posted is acknowledged
  [[nodiscard]] time_point silent_at() const;
  [[nodiscard]] std::size_t kept_bytes() const; // not acknowledged, sent or not
  [[nodiscard]] std::size_t kept_parcels() const;
  [[nodiscard]] link_counts counts() const;

private:
  struct lane_state {
    std::deque<parcel> kept;        // from number `first` on, in order
    std::uint64_t first = 1;        // the oldest that is not acknowledged
    std::uint64_t next = 1;         // the next to be sent; below `fresh`: again
    std::uint64_t fresh = 1;        // the next that was never sent
    std::size_t on_its_way = 0;     // bytes of those sent and not acknowledged
    std::size_t kept_bytes = 0;     // of all that is kept
    time_point progress{0};         // when one was acknowledged, or the first was sent
    std::uint64_t acknowledged = 0; // bytes
    std::uint64_t credited = 0;     // bytes that the owner over there took
    std::uint64_t told = 0;         // bytes that the owner here took, as the other side knows
    std::uint64_t received = 0;     // the last that came in order
    bool misses = false;            // there is a gap: to be asked for
    bool asked = false;             // for the gap
    bool open = true;               // there is a connection
  };

  frame stamped(frame_kind kind, time_point now);
  frame parcels_of(int lane, time_point now);
  const parcel& take_next(lane_state& lane);
  [[nodiscard]] bool goes_along(const frame& f, const lane_state& lane, std::size_t bytes) const;
  parcel arrived(lane_kind lane, parcel content);
  [[nodiscard]] bool owes_much() const;
  void acknowledge(lane_state& lane, std::uint64_t received, time_point now);
  static void go_back(lane_state& lane, time_point now);
  static std::uint64_t lent(const lane_state& lane);
  [[nodiscard]] bool may_send(const lane_state& lane, int index) const;
  [[nodiscard]] bool is_overdue(const lane_state& lane, time_point now) const;

  node_life here_, there_;
  link_options options_;
  std::shared_ptr<intake> intake_;
  std::array<lane_state, lanes> lanes_;
  bool owes_ = false; // an acknowledgement
  time_point owes_since_{0}, last_sent_, last_heard_;
  std::uint64_t heard_ns_ = 0; // of the last frame, to be echoed; heard at `last_heard_`
  link_counts counts_;
};

} // namespace troupe::net
