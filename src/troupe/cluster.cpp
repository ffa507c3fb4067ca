#include "troupe/cluster.hpp"

#include "actors/recorder.hpp"
#include "actors/runtime/disk.hpp"
#include "ops/program.hpp"
#include "troupe/casting.hpp"
#include "troupe/default_supervision.hpp"
#include "troupe/dials.hpp"
#include "troupe/fault_checks.hpp"
#include "troupe/fault_injector.hpp"
#include "troupe/run_control.hpp"
#include "troupe/stall_watch.hpp"
#include "troupe/start_run.hpp"
#include "troupe/starting_state.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <fstream>
#include <map>
#include <mutex>
#include <tuple>
#include <utility>

namespace troupe {

namespace {

void check_dials(const wiring& w, const std::vector<dial>& dials) {
  std::vector<error_text> wrong;
  for (const auto& d : dials)
    for (auto& mistake : mistakes_of(w, d))
      wrong.push_back(std::move(mistake));
  if (!wrong.empty()) throw joined(wrong);
}

// The versions that its stages would compute with are not in a checkpoint; at an epoch's end they
// are not needed.
void check_stashed_start(const wiring& w, std::int64_t step) {
  const auto epoch = w.job.steps_per_epoch();
  if (!w.stash_weights || step % epoch == 0) return;
  throw error(
      {.what = "a job that stashes weights resumes at the end of an epoch",
       .where = fmt::format("the checkpoint of step {}", step),
       .why = fmt::format("an epoch has {} steps; within one, stages compute with weights of "
                          "several steps before",
                          epoch),
       .help = fmt::format("resume from step {}", step / epoch * epoch)});
}

} // namespace

// Everything of a run; its callbacks come from the recorder's actor, wait() from the owner.
struct run::impl {
  std::shared_ptr<const wiring> wired;
  run_options options;
  std::shared_ptr<const parameter_layout> layout;
  std::unique_ptr<troupe::world> world;
  std::shared_ptr<fault_costs> costs;      // of that world, where it has been told to look on
  std::optional<fault_injector> faults;    // of that world
  std::function<void(run_result&)> report; // of the world; may be empty
  std::function<void(const order::over&)> conclude;
  std::function<void(std::uint32_t)> let_go; // of a node's actors; empty: there are no others

  std::mutex telling; // events of nodes come from threads of their own
  std::mutex mutex;
  std::condition_variable ended_changed;
  std::atomic<bool> ended{false};
  error_text failure;
  run_result result;
  std::int64_t steps_here = 0, first_step = 0; // committed by this run; before it
  std::int64_t epoch_steps = 0, epoch_correct = 0;
  std::int64_t epoch_losses = 0;          // known
  double epoch_loss = 0, epoch_began = 0; // since the last epoch's end

  std::shared_ptr<recorder_log> log = std::make_shared<recorder_log>();
  // What the owner wanted, for a new director.
  std::vector<dial> dials_set;
  bool stop_wanted = false;

  // What was told, in the order of the result; as many as there are actors.
  std::map<std::tuple<credit_kind, address, address, std::uint64_t>, protocol::credit_used> credit;
  std::map<address, protocol::memory_used> memory;

  recorder_options callbacks();
  void note_credit(const protocol::credit_used& m);
  void note_memory(const protocol::memory_used& m);
  void end_epoch(const protocol::epoch_ended& m, double seconds);
  void note_epoch(double seconds);
  std::string set_start(const std::string& path);
  [[nodiscard]] checkpoint checkpoint_at(const std::string& path) const;
  void want_again(const address& restarted);

  void tell(const run_event& e) {
    const std::lock_guard lock(telling);
    if (options.observer) options.observer(e);
  }

  // Where the run began, and how it begins again where state was lost.
  checkpoint begin;
  std::string begin_path; // of a checkpoint; other nodes may have begun elsewhere
  std::optional<casting> cast;
  bool knows_start = true; // some role here does
  std::atomic<bool> wants_again{false};
  std::string lost;                   // why
  std::deque<std::string> saved_here; // checkpoints that are kept, the newest last
  std::uint64_t back_at = 0;          // steps committed when it began again last
  int times_there = 0;                // in a row, without a step between

  stall_watch stalls;                      // of the node that leads
  std::unique_ptr<control_server> control; // likewise
  void open_control();
  void stop();

  void stop_watching() {
    control.reset();
    stalls.end();
  }

  [[nodiscard]] wait_graph why() const;

  run_hooks hooks();
  void end(const order::over& how);
  bool may_begin_again(const protocol::job_ended& m);
  void note_saved(const std::string& path);
  checkpoint last_good(std::string& path);
  void inject_first();
  void inject(const injected_fault& f);
  void drain(std::uint32_t node);
  void begin_again();
};

// Each process kills its own actors at points; the rest is node 0's to bring about.
void run::impl::inject_first() {
  faults.emplace(
      wired, *world, static_cast<int>(result.nodes), costs, [this](const fault_record& r) {
        tell(r);
      });
  for (const auto& f : options.faults)
    faults->check(f);
  for (const auto& f : options.faults)
    if (f.point) faults->add(f);
  world->start();
  for (const auto& f : options.faults)
    if (!f.point && result.node == 0) faults->add(f);
}

void run::impl::inject(const injected_fault& f) {
  faults->check(f);
  faults->add(f);
}

void run::impl::drain(std::uint32_t node) {
  const auto where = fmt::format("drain node {}", node);
  if (!let_go || result.node != 0 || node == 0 || node >= result.nodes)
    throw error({.what = fmt::format("node {} cannot be drained", node),
                 .where = where,
                 .why = !let_go || result.nodes == 1 ? "the job has one node"
                        : result.node != 0           ? "this is not node 0, which leads the job"
                        : node == 0                  ? "it leads the job"
                                    : fmt::format("the job has nodes 0 to {}", result.nodes - 1),
                 .help = "name another node of a job of several",
                 .kind = error_kind::request});
  check_node_may_die(*wired, static_cast<int>(node), static_cast<int>(result.nodes), where);
  let_go(node);
}

run_hooks run::impl::hooks() {
  return {.on_number = [this](std::uint32_t number) { result.node = number; },
          .on_node = [this](const node_event& e) { tell(e); },
          .on_links = [this](const links_event& e) { tell(e); },
          .on_over = [this](const order::over& how) { end(how); },
          .on_begin_again = [this](const std::string& path) { return set_start(path); },
          .name_sources = [this](wait_graph& g) { name_sources(g, cast->sources()); }};
}

// Of a node that does not lead.
std::string run::impl::set_start(const std::string& path) {
  if (knows_start) try {
      cast->begin_at(path.empty() ? begin : checkpoint_at(path));
    } catch (const error& e) {
      return e.what();
    }
  return {};
}

checkpoint run::impl::checkpoint_at(const std::string& path) const {
  run_options from = options;
  from.load_weights.clear();
  from.resume = path;
  return starting_state_of(wired->job, from, *layout).content;
}

// An asynchronous job has told its workers that their updates are applied: those would be lost.
bool run::impl::may_begin_again(const protocol::job_ended& m) {
  constexpr int times_max = 10;
  if (!m.begin_again || wired->order.as_they_come()) return false;
  times_there = log->next_step > back_at ? 1 : times_there + 1;
  back_at = log->next_step;
  return times_there <= times_max;
}

void run::impl::note_saved(const std::string& path) {
  result.last_checkpoint = path;
  saved_here.push_back(path);
  if (std::ssize(saved_here) > std::max(options.checkpoints_kept, 1)) saved_here.pop_front();
}

// The newest one that this run has written and that can be read.
checkpoint run::impl::last_good(std::string& path) {
  for (; !saved_here.empty(); saved_here.pop_back())
    try {
      path = saved_here.back();
      return checkpoint_at(path);
    } catch (const error& e) {
      result.skipped_checkpoints.push_back(path + ": " + e.text().why);
    }
  path = begin_path;
  return begin;
}

// Each step computes what it computed before, and is told once: the log knows how far it was told.
void run::impl::begin_again() {
  std::string path;
  const auto start = last_good(path);
  tell(rollback_event{.step = static_cast<std::int64_t>(log->next_step),
                      .to = static_cast<std::int64_t>(start.step),
                      .checkpoint = path,
                      .reason = lost});
  ++result.rollbacks;
  world->begin_again(path, [&] {
    cast->begin_at(start);
    log->step = start.step;
    log->digest = 0;
    log->saved = start.step;
    log->good = 0;
    log->pause.reset();
    log->dealt.clear();
    log->ended = log->began = false;
    wants_again = ended = false;
  });
}

// Of a node that does not lead.
void run::impl::end(const order::over& how) {
  const std::lock_guard lock(mutex);
  result.steps = static_cast<std::int64_t>(how.steps);
  result.parameter_digest = how.digest;
  result.interrupted = how.interrupted;
  result.drained = how.drained;
  failure = how.failure;
  ended = true;
  ended_changed.notify_all();
}

recorder_options run::impl::callbacks() {
  return {
      .on_step =
          [this](const protocol::step_committed& m, double seconds) {
            stalls.step(static_cast<std::int64_t>(m.step) + 1);
            ++steps_here;
            ++epoch_steps;
            if (m.reports_lost < wired->job.microbatches) {
              epoch_loss += m.loss;
              ++epoch_losses;
            }
            epoch_correct += m.correct;
            result.seconds = seconds;
            result.shares = m.shares;
            result.overtaken += m.overtaken;
            if (wired->order.as_they_come()) result.staleness.add(m.staleness, m.lead);
            tell(step_event{static_cast<std::int64_t>(m.step) + 1,
                            m.loss,
                            static_cast<double>(m.correct) / static_cast<double>(wired->job.batch),
                            m.digest,
                            seconds,
                            m.staleness,
                            m.lead,
                            m.lead_bound,
                            m.shares,
                            m.overtaken,
                            m.reports_lost});
            result.steps = static_cast<std::int64_t>(m.step) + 1;
            result.parameter_digest = m.digest;
            faults->committed(result.steps);
          },
      .on_epoch = [this](const protocol::epoch_ended& m, double seconds) { end_epoch(m, seconds); },
      .on_restart =
          [this](const protocol::restarted& m) {
            ++result.restarts;
            faults->restarted(m.who, m.reason, m.recovery_ms);
            want_again(m.who);
            tell(fault_event{m.who, m.life, first_step + steps_here, m.reason, m.recovery_ms});
          },
      .on_credit = [this](const protocol::credit_used& m) { note_credit(m); },
      .on_saved =
          [this](const protocol::checkpoint_saved& m) {
            if (m.problem.empty()) note_saved(m.path);
            tell(saved_event{m.path, static_cast<std::int64_t>(m.step), m.problem});
          },
      .on_memory = [this](const protocol::memory_used& m) { note_memory(m); },
      .on_end =
          [this](const protocol::job_ended& m, double seconds) {
            if (epoch_steps > 0) note_epoch(seconds);
            const std::lock_guard lock(mutex);
            result.seconds = seconds;
            result.steps = static_cast<std::int64_t>(m.steps);
            result.interrupted = m.interrupted;
            result.images_per_second =
                static_cast<double>(steps_here * wired->job.batch) / std::max(seconds, 1e-9);
            result.parameters = m.parameters;
            wants_again = may_begin_again(m);
            if (wants_again)
              lost = m.failure.what;
            else
              failure = m.failure;
            ended = true;
            ended_changed.notify_all();
          },
      .log = log};
}

void run::impl::open_control() {
  if (options.control.empty()) return;
  control = std::make_unique<control_server>(
      options.control,
      requests_to({.why = [this] { return why(); },
                   .stop = [this] { stop(); },
                   .inject = [this](const injected_fault& f) { inject(f); },
                   .drain = [this](std::uint32_t node) { drain(node); },
                   .calm = [this] { faults->calm(); },
                   .faults = [this] { return faults->happened(); }}));
}

void run::impl::stop() {
  {
    const std::lock_guard lock(mutex);
    stop_wanted = true;
  }
  world->send({.role = role_kind::director}, protocol::stop_job{});
}

// What the director before heard may have died with it.
void run::impl::want_again(const address& restarted) {
  if (restarted.role != role_kind::director) return;
  const std::lock_guard lock(mutex);
  for (const dial& d : dials_set)
    world->send(restarted, protocol::set_dial{d});
  if (stop_wanted) world->send(restarted, protocol::stop_job{});
}

void run::impl::note_credit(const protocol::credit_used& m) {
  auto& most = credit.try_emplace({m.kind, m.from, m.to, m.bound}, m).first->second;
  most.used = std::max(most.used, m.used);
}

void run::impl::note_memory(const protocol::memory_used& m) {
  auto& most = memory.try_emplace(m.who, m).first->second;
  most.in_flight = std::max(most.in_flight, m.in_flight);
  most.program_bytes = std::max(most.program_bytes, m.program_bytes);
}

void run::impl::end_epoch(const protocol::epoch_ended& m, double seconds) {
  const auto mean = [](double sum, std::int64_t n) {
    return n > 0 ? sum / static_cast<double>(n) : 0.0;
  };
  note_epoch(seconds);
  epoch_event e{.epoch = m.epoch,
                .train_loss = result.train_loss,
                .train_accuracy = result.train_accuracy,
                .test_loss = mean(m.test.loss, m.test.images),
                .test_accuracy = mean(static_cast<double>(m.test.correct), m.test.images),
                .validation_loss = mean(m.validation.loss, m.validation.images),
                .validation_accuracy =
                    mean(static_cast<double>(m.validation.correct), m.validation.images),
                .images_per_second = static_cast<double>(epoch_steps * wired->job.batch) /
                                     std::max(seconds - epoch_began, 1e-9),
                .digest = result.parameter_digest};
  result.epochs = m.epoch;
  result.tested = m.test.images > 0;
  result.test_loss = e.test_loss;
  result.test_accuracy = e.test_accuracy;
  epoch_steps = epoch_correct = epoch_losses = 0;
  epoch_loss = 0;
  epoch_began = seconds;
  tell(e);
}

void run::impl::note_epoch(double seconds) {
  result.seconds = seconds;
  if (epoch_steps == 0) return;
  result.train_loss = epoch_loss / static_cast<double>(std::max<std::int64_t>(epoch_losses, 1));
  result.train_accuracy =
      static_cast<double>(epoch_correct) / static_cast<double>(epoch_steps * wired->job.batch);
}

namespace {

// Whether its players must know where the job begins.
bool begins_with_state(role_kind role) {
  return has_state(role) || role == role_kind::recorder;
}

bool plays_some(const wiring& w, const stage_of_run& stage, bool (*is)(role_kind)) {
  return std::any_of(w.roles.begin(), w.roles.end(), [&](const wired_role& r) {
    return is(r.where.role) && (!stage.plays || stage.plays(r.where));
  });
}

std::string start_text(std::uint64_t step, const run_result& begin) {
  return fmt::format("step {}, parameters {:016x}", step, begin.parameter_digest);
}

} // namespace

run start_run(const wiring& w, run_options options, const stage_of_run& stage) {
  if (const auto mistakes = mistakes_of(w); !mistakes.empty()) throw joined(mistakes);
  if (options.supervision)
    if (const auto mistakes = mistakes_of(*options.supervision, w); !mistakes.empty())
      throw joined(mistakes);
  for (const auto& k : options.kills)
    check_kill(w, k, "--kill " + text(k));
  for (const auto& slow : options.slow)
    check_slow(w, slow, fmt::format("--slow {}@x{}", slow.who.text(), slow.factor));
  check_dials(w, options.dials);

  auto state = std::make_unique<run::impl>();
  state->wired = std::make_shared<const wiring>(w);
  state->options = std::move(options);
  const auto g = graph_of(w.job);
  state->layout =
      std::make_shared<parameter_layout>(compile_cpu(g, compile_options_of(w))->layout());
  state->result.node = stage.place.number;
  state->result.nodes = stage.place.count;
  state->knows_start = plays_some(w, stage, begins_with_state);
  if (!state->knows_start) state->options.resume = state->options.load_weights = {};
  const auto found = resume_what_was_saved(w, stage.place, state->options);
  auto begin = starting_state_of(w.job, state->options, *state->layout);
  if (stage.instead.source) // nobody computes with them
    for (tensor& p : begin.content.parameters)
      p = zeros(p.dims());
  state->first_step = static_cast<std::int64_t>(begin.content.step);
  check_stashed_start(w, state->first_step);
  state->result.steps = state->first_step;
  state->log->step = state->log->next_step = begin.content.step;
  state->begin_path = begin.path;
  state->result.skipped_checkpoints = begin.skipped;
  state->result.skipped_checkpoints.insert(
      state->result.skipped_checkpoints.end(), found.begin(), found.end());
  state->result.layout = *state->layout;
  state->result.parameter_digest = parameter_digest(*state->layout, begin.content.parameters);
  if (!state->options.checkpoint_folder.empty() &&
      plays_some(w, stage, [](role_kind r) { return r == role_kind::checkpointer; }))
    (stage.files ? *stage.files : machine_disk()).make_folder(state->options.checkpoint_folder);

  state->report = stage.report;
  state->conclude = stage.conclude;
  state->let_go = stage.drain;
  state->begin = std::move(begin.content);
  const auto begins =
      state->knows_start ? start_text(state->begin.step, state->result) : std::string();
  state->cast.emplace(state->wired,
                      state->layout,
                      state->begin,
                      state->options,
                      state->callbacks(),
                      stage.kernel_threads,
                      stage.instead,
                      stage.plays);
  state->world = stage.make_world(
      state->hooks(), {begins, state->begin_path}); // a spare waits there, with all else done
  for (const auto& role : state->wired->roles)
    state->world->add(role.where, state->cast->role_at(role));
  for (const auto& k : state->options.kills)
    state->options.faults.push_back({.what = kill_fault{k.who}, .point = k});
  for (const auto& s : state->options.slow)
    state->world->slow(s.who, s.factor);
  state->costs = std::make_shared<fault_costs>(state->options.watch);
  if (!state->options.faults.empty())
    state->world->observe(*state->costs);
  else if (state->options.watch)
    state->world->observe(*state->options.watch);
  state->inject_first();
  if (stage.is_watched) {
    state->stalls.begin(
        state->first_step,
        [&run = *state] { return run.why(); },
        [&run = *state](const stalled_event& e) { run.tell(e); });
    state->open_control();
  }
  return run(std::move(state));
}

run::run(std::unique_ptr<impl> started) : impl_(std::move(started)) {}

run::run(run&&) noexcept = default;
run& run::operator=(run&&) noexcept = default;

run::~run() {
  if (!impl_) return;
  impl_->stop_watching();
  if (impl_->world) impl_->world->stop();
}

run_result run::wait() {
  for (bool again = true; again; again = impl_->wants_again) {
    if (impl_->wants_again) impl_->begin_again();
    impl_->world->play([this] { return impl_->ended.load(); });
    std::unique_lock lock(impl_->mutex);
    impl_->ended_changed.wait(lock, [&] { return impl_->ended.load(); });
  }
  impl_->stop_watching();
  for (const auto& [edge, use] : impl_->credit)
    add(impl_->result.credit, use);
  for (const auto& [who, use] : impl_->memory)
    note(impl_->result.memory, use);
  impl_->result.faults = impl_->faults->happened();
  if (impl_->report) impl_->report(impl_->result);
  if (impl_->conclude)
    impl_->conclude({.steps = static_cast<std::uint64_t>(impl_->result.steps),
                     .digest = impl_->result.parameter_digest,
                     .interrupted = impl_->result.interrupted,
                     .failure = impl_->failure});
  impl_->world->stop();
  if (!impl_->failure.what.empty()) throw error(impl_->failure);
  impl_->result.peak_memory_bytes = peak_memory_bytes();
  return impl_->result;
}

void run::stop() noexcept {
  impl_->stop();
}

void run::kill(const address& who) {
  impl_->world->kill(who);
}

wait_graph run::impl::why() const {
  auto out = world->waits();
  name_sources(out, cast->sources());
  return out;
}

wait_graph run::why() const {
  return impl_->why();
}

void run::inject(const injected_fault& f) {
  impl_->inject(f);
}

void run::drain(std::uint32_t node) {
  impl_->drain(node);
}

void run::calm() {
  impl_->faults->calm();
}

std::vector<fault_record> run::faults() const {
  return impl_->faults->happened();
}

std::uint32_t run::node() const {
  return impl_->result.node;
}

void run::set(const dial& d) {
  check_dials(*impl_->wired, {d});
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->dials_set.push_back(d);
  }
  impl_->world->send({.role = role_kind::director}, protocol::set_dial{d});
}

void run_result::save_weights(const std::string& path) const {
  if (node > 0) return; // has none
  troupe::save_weights(path, layout, parameters, static_cast<std::uint64_t>(steps));
}

std::uint64_t peak_memory_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:")) return std::stoull(line.substr(6)) * 1024;
  return 0;
}

} // namespace troupe
