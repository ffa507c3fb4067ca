// Messages to bytes and back, for links between nodes. Fields are written as Cereal writes them,
// tensors as payloads that share the memory of the tensor. docs/wire.md describes the format.
#pragma once

#include "actors/message.hpp"
#include "net/frame.hpp"

namespace troupe {

struct addressed_message {
  address to;
  message content;
  address from = {};
  incarnation from_life = 0, to_life = 0; // of the sender, and of the receiver as it knows it
};

// What an actor says to itself is for its own life, and never crosses.
bool may_cross(const message& m);

net::parcel encode(const addressed_message& m); // REQUIRES: may_cross(m.content)

// Throws net::malformed. A tensor whose bytes lie on a line of 64 stays where it is and keeps the
// payload alive; another one is copied.
addressed_message decode_message(const net::parcel& p);

} // namespace troupe
