#include "troupe/node_links.hpp"

#include "net/keys.hpp"
#include "net/trust.hpp"
#include "ops/digest.hpp"
#include "ops/files/atomic_file.hpp"
#include "troupe/starting_state.hpp"
#include "troupe/wiring_file.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <thread>

namespace troupe {

namespace {

struct tcp_place {
  std::string host, port;
};

bool starts_with(const std::string& text, const char* prefix) {
  return text.rfind(prefix, 0) == 0;
}

tcp_place parse_tcp(const std::string& endpoint) {
  const auto rest = endpoint.substr(std::string("tcp://").size());
  const auto colon = rest.rfind(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == rest.size())
    throw error({.what = fmt::format("'{}' names no host and port", endpoint),
                 .where = "TROUPE_COORDINATOR",
                 .why = {},
                 .help = "tcp://HOST:PORT, such as tcp://127.0.0.1:5555"});
  return {rest.substr(0, colon), rest.substr(colon + 1)};
}

bool is_numeric(const std::string& host) {
  std::array<unsigned char, sizeof(in6_addr)> ignored{};
  return ::inet_pton(AF_INET, host.c_str(), ignored.data()) == 1 || host.front() == '[';
}

using address_list = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

address_list resolved(const tcp_place& where) {
  addrinfo how{};
  how.ai_family = AF_INET;
  how.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  const int problem = ::getaddrinfo(where.host.c_str(), where.port.c_str(), &how, &found);
  if (problem != 0)
    throw error({.what = fmt::format("the host '{}' is not known here", where.host),
                 .where = "TROUPE_COORDINATOR",
                 .why = ::gai_strerror(problem),
                 .help = "use its numeric address, or add it to /etc/hosts",
                 .kind = error_kind::environment});
  return {found, &::freeaddrinfo};
}

std::string text_of(const sockaddr* address, socklen_t size) {
  std::array<char, NI_MAXHOST> host{};
  if (::getnameinfo(address, size, host.data(), host.size(), nullptr, 0, NI_NUMERICHOST) != 0)
    return "127.0.0.1";
  return host.data();
}

// Of this machine, towards that host: the route of a datagram that is never sent.
std::string own_address_towards(const tcp_place& where) {
  const auto there = resolved(where);
  const int s = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (s < 0) return "127.0.0.1";
  sockaddr_storage own{};
  socklen_t size = sizeof own;
  std::string out = "127.0.0.1";
  if (::connect(s, there->ai_addr, there->ai_addrlen) == 0 &&
      ::getsockname(s, reinterpret_cast<sockaddr*>(&own), &size) == 0)
    out = text_of(reinterpret_cast<const sockaddr*>(&own), size);
  ::close(s);
  return out;
}

// A name may lead to another address of this machine than others see (127.0.1.1 in Debian's
// /etc/hosts): with keys it listens at all of them.
std::string listening_address(const tcp_place& where, bool encrypts) {
  if (where.host == "*" || is_numeric(where.host)) return where.host;
  if (encrypts) return "*";
  const auto here = resolved(where);
  return text_of(here->ai_addr, here->ai_addrlen);
}

std::string public_key_of_node_0(const net::trust_list& trusted, const std::string& file) {
  std::string key, names;
  int found = 0;
  for (const auto& one : trusted.all())
    if (one.may_be(0)) {
      key = one.key;
      names += (names.empty() ? "" : ", ") + one.name;
      ++found;
    }
  if (found == 1) return key;
  throw error(
      {.what = found == 0 ? "no trusted key may be node 0"
                          : fmt::format("several trusted keys may be node 0: {}", names),
       .where = file,
       .why = "a node dials node 0 only if it knows its key",
       .help = "troupe keys --allow NAME.public --nodes 0, and give the others --nodes 1-99"});
}

std::uint64_t digest_of_text(const std::string& text) {
  return digest_of(text.data(), text.size());
}

std::string described(const job& j) {
  std::string out;
  for (const auto& [name, value] : describe_job(j))
    out += fmt::format("{}: {}\n", name, value);
  return out;
}

void take_keys(const node_place& place, net::node_options& out) {
  if (place.keys.empty()) return;
  if (place.trusted.empty())
    throw error({.what = "a key, and no list of trusted ones",
                 .where = place.keys,
                 .why = "a node with a key talks to those of its list only",
                 .help = "TROUPE_TRUSTED=keys/trusted; troupe keys --allow makes it"});
  out.keys = net::read_secret_file(place.keys);
  out.trust = net::trust_list::parse(read_file(place.trusted), place.trusted);
}

bool is_one_machine(const std::string& coordinator) {
  return !starts_with(coordinator, "tcp://") || starts_with(coordinator, "tcp://127.") ||
         starts_with(coordinator, "tcp://localhost:");
}

} // namespace

void allow_for_crowd(net::node_options& links, const node_place& place, std::uint32_t cores) {
  const auto crowd =
      is_one_machine(place.coordinator) ? place.count / (8 * std::max(1U, cores)) : 0;
  if (crowd <= 1) return;
  links.give_up_after *= crowd;
  links.link.heartbeat *= crowd;
  links.link.silent_after *= crowd;
  links.link.stuck_after *= crowd;
}

std::string own_endpoint(const std::string& coordinator, std::uint32_t number, bool encrypts) {
  if (!starts_with(coordinator, "tcp://"))
    return number == 0 ? coordinator : fmt::format("{}.{}", coordinator, number);
  const auto where = parse_tcp(coordinator);
  if (number == 0)
    return fmt::format("tcp://{}:{}", listening_address(where, encrypts), where.port);
  return fmt::format("tcp://{}:*", own_address_towards(where));
}

net::node_options links_of(const node_place& place, const wiring& w) {
  net::node_options out;
  out.number = place.number;
  out.job = place.job.empty() ? "troupe" : place.job;
  out.wiring = digest_of_text(to_json(w));
  out.model = digest_of_text(described(w.job));
  allow_for_crowd(out, place, std::thread::hardware_concurrency());
  take_keys(place, out);
  out.shares_memory = place.share_tensors;
  out.listen = {own_endpoint(place.coordinator, place.number, out.keys.has_value())};
  if (place.number == 0)
    out.advertised = {place.coordinator};
  else
    out.dial = {{place.coordinator,
                 out.keys ? public_key_of_node_0(out.trust, place.trusted) : std::string()}};
  return out;
}

} // namespace troupe
