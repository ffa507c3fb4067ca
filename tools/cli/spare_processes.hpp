// Hot spares of a launch: processes of the driver that have started and read all they need, and
// wait to become a node that died. One that was taken, or died, is replaced a little later, so that
// its start does not compete with the node's.
#pragma once

#include "cli/node_process.hpp"

#include <chrono>
#include <functional>
#include <optional>
#include <vector>

namespace troupe::cli {

class spare_processes {
public:
  using clock = std::chrono::steady_clock;

  // What a spare is started with, which reads `told` (TROUPE_SPARE).
  using plan_maker = std::function<process_plan(int told)>;

  spare_processes(int wanted, plan_maker plan) : wanted_(wanted), plan_(std::move(plan)) {}

  ~spare_processes();
  spare_processes(const spare_processes&) = delete;
  spare_processes& operator=(const spare_processes&) = delete;

  // Starts one, if one is due, which says so to the keeper (start_process).
  void start_due(clock::time_point now, int keeper);
  [[nodiscard]] std::optional<clock::time_point> due() const; // nothing: none is wanted

  // One of them is that node from now on, as `plan` says it; nothing: there is none.
  std::optional<pid_t> take(const process_plan& plan, clock::time_point now);
  bool ended(pid_t process, clock::time_point now); // whether it was one of them
  void stop();                                      // no more; those that wait are killed

  [[nodiscard]] bool empty() const { return waiting_.empty(); }

private:
  struct spare {
    pid_t process = 0;
    int tell = -1; // the other end of what it reads
  };

  int wanted_;
  plan_maker plan_;
  std::vector<spare> waiting_; // in the order of their starts
  clock::time_point next_{};
  int deaths_ = 0; // in a row, of those that nobody took
};

} // namespace troupe::cli
