// What nodes say when they meet. A *hello* is the first frame of each connection, on the side that
// dialled. Addressed to no life it asks: who are you, and may I join? The answer is a *welcome* or
// a *refusal*. Addressed to a life it opens a lane of the link between the two.
//
// Two lives may have several links, one after the other: each side counts those that it gave up,
// and a hello that opens a lane says both counts, so that both mean the same link or none.
#pragma once

#include "net/frame.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace troupe::net {

constexpr std::uint32_t no_node = 0xFFFFFFFF; // of one that has not got its number yet

// Where a node lives, for peers on the same machine (net/processes).
struct process_name {
  std::uint64_t machine = 0; // 0: it cannot be told
  std::uint32_t number = 0;
  friend bool operator==(const process_name&, const process_name&) = default;
};

// What a process lends to others (net/lender), by its descriptors.
struct memory_name {
  std::uint64_t token = 0; // that stands on the board; 0: it lends nothing
  std::uint32_t memory = 0, board = 0;
};

struct introduction {
  std::string job;                     // nodes of one job have one
  std::uint64_t wiring = 0, model = 0; // digests: what must be the same everywhere
  std::vector<std::string> roles;      // that it may play
  std::vector<std::string> endpoints;  // where it can be dialled
  std::string public_key;              // "": it does not encrypt
  process_name process;
  memory_name memory;
};

struct hello_body {
  introduction self;
  std::uint64_t gave_up = 0, heard_gave_up = 0; // links to the other: by the sender, the receiver
};

struct neighbour {
  std::uint32_t node = 0;
  std::vector<std::string> endpoints;
  std::string public_key;
};

struct welcome_body {
  introduction self;
  std::uint32_t number = 0;          // of the node that is welcome
  std::uint64_t gave_up = 0;         // links to it, by the sender
  std::vector<neighbour> neighbours; // who else is there and can be dialled; once it joined
};

struct refusal_body {
  bool again = false; // a new connection may help; else: do not try again
  std::string text;   // for people
};

std::vector<std::byte> encode(const hello_body& body);
std::vector<std::byte> encode(const welcome_body& body);
std::vector<std::byte> encode(const refusal_body& body);

// Throw malformed.
hello_body decode_hello(std::span<const std::byte> body);
welcome_body decode_welcome(std::span<const std::byte> body);
refusal_body decode_refusal(std::span<const std::byte> body);

// What two nodes do not agree about, each with both values; "" if they belong together.
std::string disagreement(const introduction& a,
                         const std::string& name_of_a,
                         const introduction& b,
                         const std::string& name_of_b);

std::string node_name(std::uint32_t node); // "node 3"

} // namespace troupe::net
