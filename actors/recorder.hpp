// The recorder tells the run's owner what happens: it keeps the clock of training (evaluation and
// saving excluded) and hands every report on.
#pragma once

#include "actors/runtime/role.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <utility>

namespace troupe {

struct recorder_options {
  // Called in order, from one actor. `seconds` is the time of training so far.
  std::function<void(const protocol::step_committed&, double seconds)> on_step;
  std::function<void(const protocol::epoch_ended&, double seconds)> on_epoch;
  std::function<void(const protocol::restarted&)> on_restart;
  std::function<void(const protocol::credit_used&)> on_credit;
  std::function<void(const protocol::checkpoint_saved&)> on_saved;
  std::function<void(const protocol::memory_used&)> on_memory;
  std::function<void(const protocol::job_ended&, double seconds)> on_end;
};

class recorder final : public role_of<recorder> {
public:
  recorder(context& world, recorder_options options);

  void started() override;
  void on(const protocol::step_committed& m);
  void on(const protocol::epoch_ended& m);
  void on(const protocol::training_paused& m);
  void on(const protocol::restarted& m);
  void on(const protocol::credit_used& m);
  void on(const protocol::checkpoint_saved& m);
  void on(const protocol::memory_used& m);
  void on(const protocol::job_ended& m);

private:
  [[nodiscard]] double seconds() const;

  context& world_;
  const recorder_options options_;
  std::chrono::nanoseconds resumed_{0};
  std::chrono::nanoseconds trained_{0}; // up to the last pause
  bool paused_ = false;
  // What was heard last: nothing older is heard again.
  std::uint64_t next_step_ = 0;
  std::int64_t epoch_ = 0;
  std::optional<std::pair<std::uint64_t, bool>> pause_; // step, whether it went on
  std::map<address, incarnation> lives_;
};

} // namespace troupe
