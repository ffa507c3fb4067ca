// A computation of a simulated world: carried out for real, and told when each thing that it posts
// would have been posted.
#pragma once

#include "actors/runtime/context.hpp"
#include "actors/runtime/simulation/event_queue.hpp"

#include <atomic>
#include <functional>
#include <utility>
#include <vector>

namespace troupe::simulation {

class computing final : public computation {
public:
  using said = std::vector<std::pair<duration, message>>; // since its begin

  struct span { // since its begin
    work what;
    duration from{0}, until{0};
  };

  // `room`: an older one's, to be used again.
  computing(std::function<duration(const work&)> cost, disk& files, said room)
      : cost_(std::move(cost)), files_(files), said_(std::move(room)) {
    said_.clear();
  }

  // In order, no two at once. An exception of the job is posted as job_failed.
  said carry_out(const std::function<void(computation&)>& job, std::uint64_t step);

  [[nodiscard]] duration duration_in_all() const { return all_; }

  [[nodiscard]] const std::vector<span>& spans() const { return spans_; }

  void post(message m) override { said_.emplace_back(duration{0}, std::move(m)); }

  void begin(const work& w) override;

  disk& files() override { return files_; }

  [[nodiscard]] const std::atomic<bool>& cancelled() const override { return never_; }

private:
  void close();

  std::function<duration(const work&)> cost_;
  disk& files_;
  std::atomic<bool> never_{false};
  said said_;
  std::size_t closed_ = 0; // of said_, whose times are known
  duration all_{0};        // of what is closed
  duration open_{0};       // how long the work that has begun takes
  std::vector<span> spans_;
};

} // namespace troupe::simulation
