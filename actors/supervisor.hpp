// The supervisor restarts what fails, one for one. The first restarts of a child are immediate; if
// it keeps dying soon after each restart, they back off from 5 ms, doubling to 10 s, until it has
// lived for a while. An error that ends the same child with the same words three times in a row is
// not tried again: the job fails with it. (Erlang/OTP's supervisor behaviour, with the back-off
// that OTP lacks.)
#pragma once

#include "actors/address.hpp"
#include "actors/runtime/role.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace troupe {

struct supervisor_options {
  std::vector<role_kind> cannot_restart; // hold state that nobody else has yet
  address director{.role = role_kind::director};
  std::chrono::milliseconds backoff_min{5};
  std::chrono::milliseconds backoff_max{10'000};
  std::chrono::milliseconds quiet{1'000}; // a child that has lived for so long is forgiven
  int deaths_free = 3;                    // restarts at once before backing off
  int same_error_max = 3;
};

class supervisor final : public role_of<supervisor> {
public:
  supervisor(context& world, supervisor_options options);

  void on(const protocol::down& m);
  void on(const protocol::restart_due& m);

private:
  struct child {
    incarnation last_down = 0;
    int recent_deaths = 0;
    int same_error = 0;
    std::string error;
    std::string reason;
    std::chrono::nanoseconds died{0};
    std::chrono::nanoseconds restarted{0};
  };

  [[nodiscard]] std::chrono::nanoseconds backoff(const child& c) const;
  void restart(const address& who, child& c);
  void give_up(const protocol::down& m, const std::string& why);

  context& world_;
  const supervisor_options options_;
  std::map<address, child> children_;
};

} // namespace troupe
