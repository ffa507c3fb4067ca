// CurveZMQ's keys (RFC 26): elliptic-curve keys, encryption and authentication of connections.
#pragma once

#include "net/keys.hpp"

#include <string>

namespace troupe::net {

key_pair make_key_pair(const std::string& name); // throws error where ZeroMQ cannot encrypt
std::string public_key_of(const secret_text& secret);

} // namespace troupe::net
