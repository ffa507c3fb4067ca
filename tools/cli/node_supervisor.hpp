// Runs the node processes of this machine: starts them, starts again what dies, and ends when node
// 0 does, or when nothing is left to run. Nothing that it started outlives it, whatever ends it.
//
//   a node but 0 dies, or ends with a code of failure    it is started again (restart_budget.hpp)
//   ... with code 2 (usage), or too often                the job fails
//   a node ends with code 0                              fine: it is done, unless node 0 dies after
//                                                        it: then both are started again
//   node 0 ends                                          its code is the job's; the others end
//   SIGINT once                                          node 0 hears it: it saves and ends the job
//   SIGINT twice, SIGTERM, SIGHUP                        all are ended
#pragma once

#include "cli/launch_keeper.hpp"
#include "cli/node_process.hpp"
#include "cli/restart_budget.hpp"
#include "cli/spare_processes.hpp"

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace troupe::cli {

struct supervision_options {
  int restarts_max = 30;                            // of each node in restart_budget::window
  std::chrono::nanoseconds grace{5'000'000'000};    // for the others after node 0 is done
  std::chrono::nanoseconds patience{2'000'000'000}; // from SIGTERM to SIGKILL
  int ended_code = 130;                             // exit code after SIGTERM or SIGHUP
  std::string folder;                               // removed if this process is killed; "": none
  int spares = 0;                                   // hot, to take the place of nodes that die
  spare_processes::plan_maker spare_process = {};
};

struct node_plan {
  std::uint32_t number = 0;
  // Of its n-th start, from 0.
  std::function<process_plan(int restarts)> process;
};

class node_supervisor {
public:
  node_supervisor(std::vector<node_plan> plans, supervision_options options);

  // The exit code of all. Throws mistakes where a program cannot be run.
  int run();

private:
  using clock = std::chrono::steady_clock;

  enum class phase { running, finishing, terminating, killing };

  struct node {
    node_plan plan;
    restart_budget budget;
    pid_t process = 0; // 0: none
    int restarts = 0;
    bool is_done = false; // with code 0
    clock::time_point started;
    std::optional<clock::time_point> due = {}; // of its next start
    std::string errors = {};                   // the file, and where this life begins in it
    std::uintmax_t errors_from = 0;
    std::string last_words = {}; // of its last life that failed: how it ended, and what it said
    std::string last_lines_said = {};
    std::optional<clock::time_point> failed = {};
  };

  void start(node& n);
  void start_due();
  void wait_for_something() const;
  void hear_signals();
  void interrupted(int signal);
  void reap();
  void ended(node& n, int status);
  void died(node& n, const std::string& how, bool for_good);
  void done(node& n);
  void start_done_ones(clock::time_point when);
  void job_ends(int code, phase how);
  void enter(phase next);
  void signal_all(int signal) const;
  [[nodiscard]] const node* zero() const;
  [[nodiscard]] bool no_node_is_left() const;
  [[nodiscard]] bool all_ended() const;
  void tell_last_words() const;

  supervision_options options_;
  std::vector<node> nodes_;
  spare_processes spares_;
  std::optional<launch_keeper> keeper_;
  int signals_ = -1;
  phase phase_ = phase::running;
  std::optional<clock::time_point> phase_ends_;
  std::optional<int> code_;
  std::optional<std::uint32_t> cause_; // the node that ended the job
  bool interrupted_ = false;
};

} // namespace troupe::cli
