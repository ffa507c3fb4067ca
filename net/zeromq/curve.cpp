#include "net/zeromq/curve.hpp"

#include "ops/error.hpp"

#include <zmq.h>

#include <array>

namespace troupe::net {

key_pair make_key_pair(const std::string& name) {
  std::array<char, 41> open{}, hidden{};
  if (zmq_curve_keypair(open.data(), hidden.data()) != 0)
    throw error({.what = "this ZeroMQ cannot encrypt",
                 .where = "",
                 .why = "it was built without CURVE",
                 .help = "Debian's libzmq5 has it",
                 .kind = error_kind::environment});
  key_pair out{name, open.data(), secret_text(hidden.data())};
  hidden.fill(0);
  return out;
}

std::string public_key_of(const secret_text& secret) {
  std::array<char, 41> out{};
  return zmq_curve_public(out.data(), secret.reveal().c_str()) == 0 ? out.data() : "";
}

} // namespace troupe::net
