// The recorder tells the run's owner what happens: it keeps the clock of training (evaluation and
// saving excluded) and hands every report on. What it has heard is on record in a log that outlives
// it, and every director: a new one asks where the job stands.
#pragma once

#include "actors/runtime/role.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace troupe {

struct recorder_log {
  std::uint64_t step = 0;   // steps committed
  std::uint64_t digest = 0; // after the last one
  // What the owner was told last: nothing older is told again.
  std::uint64_t next_step = 0;
  std::int64_t epoch = 0;
  std::uint64_t saved = 0; // step of the last checkpoint that was written or given up
  std::uint64_t good = 0;  // of the last one that was written
  std::map<address, incarnation> lives;

  protocol::event_number last;                         // event
  std::optional<std::pair<std::uint64_t, bool>> pause; // at which step, whether training went on
  std::map<std::uint64_t, std::vector<replica_share>> dealt; // by step
  bool ended = false;

  std::optional<std::chrono::nanoseconds> resumed; // empty: the clock stands
  std::chrono::nanoseconds trained{0};             // up to the last pause
  bool began = false;
};

struct recorder_options {
  // Called in order, from one actor. `seconds` is the time of training so far.
  std::function<void(const protocol::step_committed&, double seconds)> on_step;
  std::function<void(const protocol::epoch_ended&, double seconds)> on_epoch;
  std::function<void(const protocol::restarted&)> on_restart;
  std::function<void(const protocol::credit_used&)> on_credit;
  std::function<void(const protocol::checkpoint_saved&)> on_saved;
  std::function<void(const protocol::memory_used&)> on_memory;
  std::function<void(const protocol::job_ended&, double seconds)> on_end;
  std::shared_ptr<recorder_log> log = std::make_shared<recorder_log>();
  address director{.role = role_kind::director};
};

class recorder final : public role_of<recorder> {
public:
  recorder(context& world, recorder_options options);

  void started() override;
  void on(const protocol::want_cursor& m);
  void on(const protocol::step_committed& m);
  void on(const protocol::epoch_ended& m);
  void on(const protocol::training_paused& m);
  void on(const protocol::restarted& m);
  void on(const protocol::credit_used& m);
  void on(const protocol::checkpoint_saved& m);
  void on(const protocol::shares_dealt& m);
  void on(const protocol::memory_used& m);
  void on(const protocol::job_ended& m);

private:
  [[nodiscard]] double seconds() const;
  template <class Do>
  void once(const protocol::event_number& number, const Do& record);
  void stop_clock();

  context& world_;
  const recorder_options options_;
  recorder_log& log_;
};

} // namespace troupe
