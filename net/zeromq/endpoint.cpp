#include "net/zeromq/sockets.hpp"
#include "ops/error.hpp"

#include <array>

namespace troupe::net {

namespace {

bool begins(const std::string& text, const std::string& with) {
  return text.rfind(with, 0) == 0;
}

bool is_this_machine(const std::string& host) {
  return host == "localhost" || host == "[::1]" || host == "lo" || begins(host, "127.");
}

void check_tcp(const std::string& endpoint, bool encrypted, const std::string& where) {
  const std::string rest = endpoint.substr(6);
  const auto colon = rest.rfind(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == rest.size())
    throw error({.what = "'" + endpoint + "' has no host and port",
                 .where = where,
                 .why = "",
                 .help = "like tcp://127.0.0.1:5555, or port * for any that is free"});
  const std::string host = rest.substr(0, colon);
  if (encrypted || is_this_machine(host)) return;
  throw error({.what = "'" + endpoint + "' is open to the network, and there are no keys",
               .where = where,
               .why = "whoever reaches the port could join, read and change everything",
               .help = "troupe keys --make NAME, and give the node its .secret file and the list "
                       "of trusted keys; or stay on 127.0.0.1, ipc:// or inproc://"});
}

} // namespace

void check_endpoint(const std::string& endpoint, bool encrypted, const std::string& where) {
  if (begins(endpoint, "tcp://")) return check_tcp(endpoint, encrypted, where);
  if (begins(endpoint, "ipc://") && endpoint.size() > 6) return;
  if (begins(endpoint, "inproc://") && endpoint.size() > 9) {
    if (!encrypted) return;
    throw error({.what = "'" + endpoint + "' cannot be encrypted",
                 .where = where,
                 .why = "inproc stays in one process, and its memory is open to all of it",
                 .help = "use ipc:// or tcp://, or no keys"});
  }
  static const std::array<std::string, 3> kinds = {"tcp", "ipc", "inproc"};
  const std::string kind = endpoint.substr(0, endpoint.find(':'));
  const std::string near = did_you_mean(kind, kinds.begin(), kinds.end());
  throw error({.what = "'" + endpoint + "' is no endpoint",
               .where = where,
               .why = "tcp://HOST:PORT, ipc://PATH and inproc://NAME are known",
               .help = near.empty() ? "" : "did you mean " + near + "://?"});
}

} // namespace troupe::net
