#include "net/zeromq/visitors.hpp"

#include <sys/socket.h>

namespace troupe::net {

namespace {

bool is_network(int descriptor) {
  int family = AF_UNIX;
  socklen_t size = sizeof family;
  return descriptor >= 0 && ::getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &family, &size) == 0 &&
         family != AF_UNIX;
}

} // namespace

connection visitors::find(const std::string& route) const {
  const auto at = all_.find(route);
  return at == all_.end() ? 0 : at->second.id;
}

bool visitors::may_enter(const std::string& route) const {
  const auto at = all_.find(route);
  return at == all_.end() || at->second.entered < chances;
}

void visitors::enter(const std::string& route, int descriptor, connection fresh) {
  const auto [at, is_new] = all_.try_emplace(route);
  visitor& v = at->second;
  v.id = fresh;
  v.descriptor = descriptor;
  ++v.entered;
  ways_[fresh] = {route, is_network(descriptor)};
  if (is_new && descriptor >= 0) descriptors_.emplace(descriptor, route);
}

std::vector<connection> visitors::leave(int descriptor) {
  std::vector<connection> out;
  const auto [first, last] = descriptors_.equal_range(descriptor);
  for (auto at = first; at != last; ++at) {
    if (const connection c = find(at->second); c != 0) {
      ways_.erase(c);
      out.push_back(c);
    }
    all_.erase(at->second);
  }
  descriptors_.erase(first, last);
  return out;
}

void visitors::forget(connection c) {
  const auto at = ways_.find(c);
  if (at == ways_.end()) return;
  visitor& v = all_.at(at->second.route);
  v.id = 0;
  if (v.descriptor < 0) all_.erase(at->second.route); // nobody will say that it left
  ways_.erase(at);
}

const visitors::way* visitors::way_to(connection c) const {
  const auto at = ways_.find(c);
  return at == ways_.end() ? nullptr : &at->second;
}

} // namespace troupe::net
