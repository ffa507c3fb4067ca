#include "cli/node_supervisor.hpp"

#include "cli/last_lines.hpp"
#include "cli/mistakes.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>

namespace troupe::cli {

namespace {

constexpr auto node_0_ends_within = std::chrono::seconds(5); // after the others
constexpr int told_max = 3;                                  // nodes whose last words are told
constexpr auto told_within = std::chrono::seconds(30);       // before the end

// A closed stderr does not end the job.
void talk(const std::string& line) {
  std::fputs((line + "\n").c_str(), stderr);
}

std::string seconds_text(std::chrono::nanoseconds t) {
  const double s = std::chrono::duration<double>(t).count();
  return s < 1 ? fmt::format("{:.1f} ms", s * 1e3) : fmt::format("{:.1f} s", s);
}

// Blocked, so that they are read from a descriptor; start_process unblocks them for the nodes. Who
// was started by nohup outlives its terminal.
int signal_descriptor() {
  sigset_t heard, blocked;
  sigemptyset(&heard);
  for (const int s : {SIGCHLD, SIGINT, SIGTERM})
    sigaddset(&heard, s);

  struct sigaction hang_up {};

  ::sigaction(SIGHUP, nullptr, &hang_up);
  if (hang_up.sa_handler != SIG_IGN) sigaddset(&heard, SIGHUP);
  blocked = heard;
  sigaddset(&blocked, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &blocked, nullptr);
  return ::signalfd(-1, &heard, SFD_CLOEXEC | SFD_NONBLOCK);
}

} // namespace

node_supervisor::node_supervisor(std::vector<node_plan> plans, supervision_options options)
    : options_(std::move(options)), spares_(options_.spares, options_.spare_process) {
  for (node_plan& plan : plans)
    nodes_.push_back(
        {.plan = std::move(plan), .budget = restart_budget(options_.restarts_max), .started = {}});
}

int node_supervisor::run() {
  signals_ = signal_descriptor();
  keeper_.emplace(options_.folder);
  for (node& n : nodes_)
    start(n);
  while (!all_ended()) {
    wait_for_something();
    hear_signals();
    reap();
    if (no_node_is_left()) spares_.stop();
    start_due();
    if (phase_ends_ && *phase_ends_ <= clock::now())
      enter(phase_ == phase::finishing ? phase::terminating : phase::killing);
  }
  keeper_.reset();
  ::close(signals_);
  tell_last_words();
  return code_.value_or(exit_done);
}

void node_supervisor::start(node& n) {
  const process_plan plan = n.plan.process(n.restarts);
  n.errors = plan.errors;
  n.errors_from = size_of(plan.errors);
  n.due.reset();
  const auto spare = n.restarts > 0 ? spares_.take(plan, clock::now()) : std::nullopt;
  n.process = spare ? *spare : start_process(plan, keeper_->line());
  n.started = clock::now();
}

void node_supervisor::start_due() {
  if (phase_ == phase::running) spares_.start_due(clock::now(), keeper_->line());
  for (node& n : nodes_) {
    if (!n.due || *n.due > clock::now()) continue;
    try {
      start(n);
      talk(fmt::format(
          "  ! {}; started again within {}", n.last_words, seconds_text(n.started - *n.failed)));
    } catch (const mistakes& wrong) { // its program is being replaced, perhaps
      talk(wrong.what());
      n.started = clock::now();
      died(n, "could not be started again", false);
    }
  }
}

void node_supervisor::wait_for_something() const {
  std::optional<clock::time_point> next = phase_ends_;
  for (const node& n : nodes_)
    if (n.due && (!next || *n.due < *next)) next = n.due;
  if (const auto spare = spares_.due(); spare && phase_ == phase::running)
    if (!next || *spare < *next) next = spare;
  pollfd heard{.fd = signals_, .events = POLLIN, .revents = 0};
  timespec patience{};
  if (next) {
    const auto left = std::max(*next - clock::now(), clock::duration(0)).count();
    patience = {.tv_sec = left / 1'000'000'000, .tv_nsec = left % 1'000'000'000};
  }
  ::ppoll(&heard, 1, next ? &patience : nullptr, nullptr);
}

void node_supervisor::hear_signals() {
  signalfd_siginfo about{};
  while (::read(signals_, &about, sizeof about) == sizeof about)
    if (about.ssi_signo != SIGCHLD) interrupted(static_cast<int>(about.ssi_signo));
}

void node_supervisor::interrupted(int signal) {
  const bool first = !interrupted_ && phase_ == phase::running;
  interrupted_ = true;
  if (signal != SIGINT || !first) {
    if (phase_ < phase::terminating) talk("ending all nodes");
    if (!code_) code_ = signal == SIGINT ? exit_interrupted : options_.ended_code;
    enter(phase_ < phase::terminating ? phase::terminating : phase::killing);
    return;
  }
  if (const node* first_node = zero(); first_node != nullptr && first_node->process != 0) {
    ::kill(-first_node->process, SIGINT);
    talk("node 0 saves and ends the job; Ctrl-C again ends all nodes now");
  } else {
    talk("the job ends with node 0, which runs elsewhere; Ctrl-C again ends the nodes here");
  }
}

void node_supervisor::reap() {
  for (;;) {
    siginfo_t about{};
    // The number of a process is its own until it is waited for: its group can be named until then.
    if (::waitid(P_ALL, 0, &about, WEXITED | WNOHANG | WNOWAIT) != 0 || about.si_pid == 0) return;
    const pid_t who = about.si_pid;
    const auto n = std::find_if(
        nodes_.begin(), nodes_.end(), [&](const node& one) { return one.process == who; });
    if (n != nodes_.end() || spares_.ended(who, clock::now())) {
      ::kill(-who, SIGKILL); // what it started and left
      keeper_->ended(who);
    }
    int status = 0;
    ::waitpid(who, &status, 0);
    if (n != nodes_.end()) ended(*n, status);
  }
}

void node_supervisor::ended(node& n, int status) {
  n.process = 0;
  // Some engines signal the driver as well, and it may be the first to hear.
  const bool was_told_to = WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM;
  const int code = n.plan.number == 0 && was_told_to ? options_.ended_code : code_of(status);
  // One that is killed goes on from what it saved; one that ends by itself ends the job.
  const bool killed = WIFSIGNALED(status) && !was_told_to && WTERMSIG(status) != SIGINT;
  if (n.plan.number == 0 && !(killed && !interrupted_ && phase_ == phase::running)) {
    if (code != 0 && !interrupted_ && phase_ == phase::running)
      talk(fmt::format("  ! node 0 {}: the job ends", ending_text(status)));
    if (code != 0 && !cause_) cause_ = n.plan.number;
    job_ends(code, code == 0 || interrupted_ ? phase::finishing : phase::terminating);
  } else if (phase_ == phase::running && code != 0) {
    died(n, ending_text(status), code == exit_usage);
  } else if (phase_ == phase::running) {
    done(n);
  }
}

void node_supervisor::died(node& n, const std::string& how, bool for_good) {
  const auto now = clock::now();
  const auto lived = now - n.started;
  n.failed = now;
  n.last_words = fmt::format("node {} {} after {}", n.plan.number, how, seconds_text(lived));
  n.last_lines_said = last_lines(n.errors, n.errors_from);
  const auto wait = n.budget.after_death(now, lived);
  // Without node 0 nobody ends the job for this node.
  const bool left_alone = interrupted_ && zero() == nullptr;
  if (for_good || left_alone || !wait) {
    const std::string why = for_good     ? "its command line is wrong"
                            : left_alone ? "it is not started again"
                                         : fmt::format("more than {} deaths in {} minutes",
                                                       options_.restarts_max,
                                                       restart_budget::window.count());
    talk(fmt::format("  ! {}: {}: the job ends here", n.last_words, why));
    cause_ = n.plan.number;
    job_ends(for_good     ? exit_usage
             : left_alone ? exit_interrupted
                          : exit_failed,
             phase::terminating);
    return;
  }
  ++n.restarts;
  n.due = now + *wait;
  if (n.plan.number == 0) start_done_ones(*n.due);
  if (*wait >= restart_budget::young)
    talk(fmt::format("  ! {}; it starts again in {}", n.last_words, seconds_text(*wait)));
}

// What it heard from node 0 may be of a life that died while it said so: then the next one waits.
void node_supervisor::done(node& n) {
  n.is_done = true;
  const node* first = zero();
  if (first != nullptr && first->restarts > 0 && (first->due || first->started > n.started))
    start_done_ones(clock::now() + node_0_ends_within);
}

// Node 0 died when others had heard from it that the job is over: its next life waits for them, to
// tell them again.
void node_supervisor::start_done_ones(clock::time_point when) {
  for (node& n : nodes_) {
    if (!n.is_done) continue;
    n.is_done = false;
    n.last_words = fmt::format("node {} was done, and node 0 was not", n.plan.number);
    n.failed = clock::now();
    n.due = when;
    ++n.restarts;
  }
}

void node_supervisor::job_ends(int code, phase how) {
  if (!code_) code_ = code;
  if (phase_ < how) enter(how);
}

void node_supervisor::enter(phase next) {
  const auto now = clock::now();
  for (node& n : nodes_)
    n.due.reset();
  if (phase_ == phase::finishing && next == phase::terminating && !interrupted_)
    for (const node& n : nodes_)
      if (n.process != 0)
        talk(fmt::format("node {} did not end with node 0: it is ended", n.plan.number));
  phase_ = next;
  spares_.stop();
  phase_ends_.reset();
  if (next == phase::finishing) phase_ends_ = now + options_.grace;
  if (next == phase::terminating) phase_ends_ = now + options_.patience;
  if (next == phase::terminating) signal_all(SIGTERM);
  if (next == phase::killing) signal_all(SIGKILL);
}

void node_supervisor::signal_all(int signal) const {
  for (const node& n : nodes_)
    if (n.process != 0) ::kill(-n.process, signal);
}

const node_supervisor::node* node_supervisor::zero() const {
  const auto at =
      std::find_if(nodes_.begin(), nodes_.end(), [](const node& n) { return n.plan.number == 0; });
  return at == nodes_.end() ? nullptr : &*at;
}

bool node_supervisor::no_node_is_left() const {
  return std::all_of(
      nodes_.begin(), nodes_.end(), [](const node& n) { return n.process == 0 && !n.due; });
}

bool node_supervisor::all_ended() const {
  return no_node_is_left() && spares_.empty();
}

// The cause last: of those that failed near the end, the first; or the one that ended the job.
void node_supervisor::tell_last_words() const {
  if (code_.value_or(exit_done) == exit_done || interrupted_) return;
  std::vector<const node*> told;
  for (const node& n : nodes_)
    if (n.failed && clock::now() - *n.failed < told_within) told.push_back(&n);
  std::sort(told.begin(), told.end(), [&](const node* a, const node* b) {
    if ((cause_ == a->plan.number) != (cause_ == b->plan.number)) return cause_ == b->plan.number;
    return *a->failed > *b->failed;
  });
  if (told.size() > told_max) told.erase(told.begin(), told.end() - told_max);
  for (const node* n : told) {
    talk(n->last_words + (n->errors.empty() ? "" : "; it said in " + n->errors + ":"));
    if (!n->last_lines_said.empty()) talk(n->last_lines_said);
  }
}

} // namespace troupe::cli
