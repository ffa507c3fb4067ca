#include "net/zeromq/visitors.hpp"

namespace troupe::net {

connection visitors::find(const std::string& route) const {
  const auto at = all_.find(route);
  return at == all_.end() ? 0 : at->second.id;
}

bool visitors::may_enter(const std::string& route) const {
  const auto at = all_.find(route);
  return at == all_.end() || at->second.entered < chances;
}

connection visitors::enter(const std::string& route, int descriptor, connection fresh) {
  const auto had_it = descriptors_.find(descriptor);
  const bool another = had_it != descriptors_.end() && had_it->second != route;
  const connection before = another ? leave(descriptor) : 0;
  visitor& v = all_[route];
  v.id = fresh;
  v.descriptor = descriptor;
  ++v.entered;
  routes_[fresh] = route;
  if (descriptor >= 0) descriptors_[descriptor] = route;
  return before;
}

connection visitors::leave(int descriptor) {
  const auto at = descriptors_.find(descriptor);
  if (at == descriptors_.end()) return 0;
  const connection out = find(at->second);
  routes_.erase(out);
  all_.erase(at->second);
  descriptors_.erase(at);
  return out;
}

void visitors::forget(connection c) {
  const auto at = routes_.find(c);
  if (at == routes_.end()) return;
  visitor& v = all_.at(at->second);
  v.id = 0;
  if (v.descriptor < 0) all_.erase(at->second); // nobody will say that it left
  routes_.erase(at);
}

const std::string* visitors::route_of(connection c) const {
  const auto at = routes_.find(c);
  return at == routes_.end() ? nullptr : &at->second;
}

} // namespace troupe::net
