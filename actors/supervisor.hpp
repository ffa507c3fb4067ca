// The supervisor plays the supervision tree of a job (supervision/supervision.hpp): it restarts who
// fails, and tells everybody. All actors are there when it begins, so nobody is started in order;
// a restart that concerns several stops and starts them as the tree says. What cannot be borne
// fails the job, which can be resumed.
//
// It may die itself. The runtime starts the next one, and hands it what those before were told
// (past_down): deaths that nobody has acted on yet are acted on, and all restarts are told again,
// for the one before may have died between starting and telling.
#pragma once

#include "actors/address.hpp"
#include "actors/runtime/role.hpp"
#include "actors/supervision/supervision.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace troupe {

struct supervisor_options {
  std::function<supervision_tree()> tree; // of addresses; made when somebody dies
  address director{.role = role_kind::director};
};

class supervisor final : public role_of<supervisor>, private supervised_world {
public:
  supervisor(context& world, supervisor_options options);

  [[nodiscard]] std::vector<wait> waits() const override;
  void on(const protocol::down& m);
  void on(const protocol::past_down& m);
  void on(const protocol::supervision_due& m);

private:
  incarnation start(child_number who) override;
  void stop(child_number who) override;
  void kill(child_number who) override;
  void restarted(const child_restart& r) override;
  void give_up(const error_text& why) override;

  void make_machine();
  [[nodiscard]] std::optional<child_number> number_of(const address& who);
  void tell_restarted(const address& who,
                      incarnation life,
                      const std::string& reason,
                      std::chrono::nanoseconds died);
  void wait_until_due();

  context& world_;
  const supervisor_options options_;
  std::unique_ptr<supervision> machine_;
  std::vector<address> addresses_;                           // by number
  std::vector<std::pair<address, child_number>> by_address_; // sorted
  std::optional<std::chrono::nanoseconds> due_;              // a timer is set
  std::optional<error_text> failure_;                        // that the director was told
};

} // namespace troupe
