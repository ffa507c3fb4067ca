// What ZeroMQ does by itself with the same bytes: two sockets, a thread for each, and nothing else.
// Links are compared with it.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace troupe::bench {

struct bare_connection {
  std::string where; // an endpoint; tcp ports may be *
  bool encrypted = false;
};

double bare_gigabytes_per_second(const bare_connection& how, std::size_t bytes, int count);
double bare_messages_per_second(const bare_connection& how, std::size_t bytes, int count);

// In microseconds, sorted.
std::vector<double> bare_round_trips(const bare_connection& how, std::size_t bytes, int count);

} // namespace troupe::bench
