// What crosses a link at a time: a header, a body that the link does not look into, and payloads
// (tensors' bytes), which lie in memory of their own and are never copied here. docs/wire.md has
// the layout, byte by byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace troupe::net {

// Where a payload lies in memory that its sender shares (net/lender).
struct loan {
  std::uint64_t slot = 0, term = 0; // of the board: each use of a slot is another term
  std::uint64_t offset = 0, size = 0;
  friend bool operator==(const loan&, const loan&) = default;
};

// Immutable bytes that somebody keeps alive. Those that are lent are read where they lie.
struct payload {
  std::shared_ptr<const void> owner;
  std::span<const std::byte> bytes;
  std::optional<loan> lent = std::nullopt; // of one that came: to be borrowed yet, without bytes

  [[nodiscard]] std::size_t size() const { return lent ? lent->size : bytes.size(); }
};

struct parcel {
  std::vector<std::byte> body;
  std::vector<payload> payloads;
  // Of one that came: while it lives, its bytes count as not taken yet, and its sender has so many
  // fewer to send. Who takes the parcel apart keeps it for as long as the content waits.
  std::shared_ptr<const void> credit;

  [[nodiscard]] std::size_t bytes() const;
};

// Small parcels do not wait for large ones: each lane is in order, and has numbers of its own.
enum class lane_kind : std::uint8_t { small, bulk };

constexpr int lanes = 2;

// A node between its start and its end. A process that is started again is another one.
struct node_life {
  std::uint32_t node = 0;
  std::uint64_t life = 0; // drawn at the start, never 0
  friend bool operator==(const node_life&, const node_life&) = default;
};

enum class frame_kind : std::uint8_t {
  hello,   // first on a connection; the body says who asks to join what
  welcome, // the answer; the body says what the node needs to know
  refusal, // the other answer; the body is a text for people
  parcel,  // of a lane, by number
  state,   // nothing but the header: acknowledgement, heartbeat; with a number: a parcel is missing
  bye,     // the node ends on purpose
};

struct frame {
  frame_kind kind = frame_kind::state;
  node_life from, to; // `to` of a hello: life 0
  lane_kind lane = lane_kind::small;
  // Of a parcel in its lane, from 1; of a state: the first to be sent again; of a refusal: 0, or 1
  // plus the lane whose connection is meant instead of this one.
  std::uint64_t number = 0;
  std::uint64_t received[lanes] = {};     // the last number of each lane that came in order
  std::uint64_t taken[lanes] = {};        // bytes of each lane that their owner took
  std::uint64_t sent_ns = 0, echo_ns = 0; // the sender's clock; the last `sent_ns` that it heard
  bool borrows = false;                   // the sender reads the receiver's shared memory
  parcel content;
  // Bodies of the parcels behind it, which have no payloads either: small ones go together.
  std::vector<std::vector<std::byte>> more;
};

struct frame_limits {
  std::size_t body_bytes = std::size_t{1} << 20;
  std::size_t payloads = 256;
  std::size_t payload_bytes = std::size_t{1} << 30; // of each
  std::size_t parcels = 256;
};

constexpr std::uint32_t wire_magic = 0x45505254; // "TRPE"
constexpr std::uint8_t wire_version = 7;

// The first of the frame's messages: checksum, header and body. The payloads that are not lent
// follow it, a message each. With `checked`, those have checksums too.
std::vector<std::byte> encode(const frame& f, bool checked);

// `first`: what encode() made; the payloads that came with it. Throws malformed.
frame decode(std::span<const std::byte> first,
             std::vector<payload> payloads,
             const frame_limits& limits);

} // namespace troupe::net
