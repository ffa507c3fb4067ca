#include "troupe/cluster.hpp"

#include "actors/recorder.hpp"
#include "actors/runtime/disk.hpp"
#include "ops/program.hpp"
#include "troupe/casting.hpp"
#include "troupe/default_supervision.hpp"
#include "troupe/dials.hpp"
#include "troupe/start_run.hpp"
#include "troupe/starting_state.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <fstream>
#include <map>
#include <mutex>
#include <tuple>
#include <utility>

namespace troupe {

namespace {

void check_played(const wiring& w, const address& who, const std::string& where) {
  const auto played = w.of(who.role);
  if (std::find(played.begin(), played.end(), who) != played.end()) return;
  std::string there;
  for (const auto& a : played)
    there += (there.empty() ? "" : ", ") + a.text();
  throw error({.what = fmt::format("nobody plays {}", who.text()),
               .where = where,
               .why = there.empty() ? fmt::format("the wiring has no {}", role_text(who.role))
                                    : fmt::format("the wiring has {}", there),
               .help = "name one of them"});
}

void check_kills(const wiring& w, const std::vector<planned_kill>& kills) {
  for (const auto& k : kills) {
    const auto where = fmt::format("--kill {}@step={}", k.who.text(), k.step);
    check_mortal(w, k.who, where);
    if (k.who.role == role_kind::supervisor)
      throw error({.what = "a supervisor has no steps in which it could be killed",
                   .where = where,
                   .why = "it hears of deaths, and of nothing else",
                   .help = "in C++ run::kill; in a simulation --event \"30 ms kill supervisor\""});
    if (k.step < 0 || k.step >= w.job.total_steps())
      throw error({.what = fmt::format("step {} is not a step of this job", k.step),
                   .where = where,
                   .why = fmt::format("its steps are 0 to {}", w.job.total_steps() - 1)});
  }
}

void check_slow(const wiring& w, const std::vector<slow_actor>& slow) {
  for (const auto& s : slow) {
    const auto where = fmt::format("--slow {}@x{}", s.who.text(), s.factor);
    check_played(w, s.who, where);
    if (s.who.role != role_kind::layer_shard && s.who.role != role_kind::evaluator)
      throw error({.what = fmt::format("{} has no kernels to slow down", role_text(s.who.role)),
                   .where = where,
                   .why = "what others compute is brief",
                   .help = "slow a layer_shard or an evaluator down"});
    if (!(s.factor >= 1 && s.factor <= slow_actor::factor_max))
      throw error({.what = fmt::format("a slow actor cannot take {} times as long", s.factor),
                   .where = where,
                   .why = fmt::format("the factor is 1 to {}", slow_actor::factor_max),
                   .help = fmt::format("--slow {}@x4", s.who.text())});
  }
}

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

bool is_mortal(role_kind role) {
  return !is_only_copy(role);
}

void check_mortal(const wiring& w, const address& who, const std::string& where) {
  if (!is_mortal(who.role))
    throw error(
        {.what = fmt::format("{} cannot be killed in this release", role_text(who.role)),
         .where = where,
         .why = "it holds state that no other actor has yet",
         .help =
             "kill a layer_shard, data_loader, gradient_aggregator, evaluator or checkpointer"});
  check_played(w, who, where);
}

// Everything of a run; its callbacks come from the recorder's actor, wait() from the owner.
struct run::impl {
  std::shared_ptr<const wiring> wired;
  run_options options;
  std::shared_ptr<const parameter_layout> layout;
  std::unique_ptr<troupe::world> world;
  std::function<void(run_result&)> report; // of the world; may be empty
  std::function<void(const order::over&)> conclude;

  std::mutex telling; // events of nodes come from threads of their own
  std::mutex mutex;
  std::condition_variable ended_changed;
  std::atomic<bool> ended{false};
  error_text failure;
  run_result result;
  std::int64_t steps_here = 0, first_step = 0; // committed by this run; before it
  std::int64_t epoch_steps = 0, epoch_correct = 0;
  double epoch_loss = 0, epoch_began = 0; // since the last epoch's end
  std::map<address, bool> seen_restart;

  // What was told, in the order of the result; as many as there are actors.
  std::map<std::tuple<credit_kind, address, address, std::uint64_t>, protocol::credit_used> credit;
  std::map<address, protocol::memory_used> memory;

  recorder_options callbacks();
  void note_credit(const protocol::credit_used& m);
  void note_memory(const protocol::memory_used& m);
  void end_epoch(const protocol::epoch_ended& m, double seconds);
  void note_epoch(double seconds);

  void tell(const run_event& e) {
    const std::lock_guard lock(telling);
    if (options.observer) options.observer(e);
  }

  run_hooks hooks();
  void end(const order::over& how);
};

run_hooks run::impl::hooks() {
  return {.on_number = [this](std::uint32_t number) { result.node = number; },
          .on_node = [this](const node_event& e) { tell(e); },
          .on_links = [this](const links_event& e) { tell(e); },
          .on_over = [this](const order::over& how) { end(how); }};
}

// Of a node that does not lead.
void run::impl::end(const order::over& how) {
  const std::lock_guard lock(mutex);
  result.steps = static_cast<std::int64_t>(how.steps);
  result.parameter_digest = how.digest;
  result.interrupted = how.interrupted;
  failure = how.failure;
  ended = true;
  ended_changed.notify_all();
}

recorder_options run::impl::callbacks() {
  return {
      .on_step =
          [this](const protocol::step_committed& m, double seconds) {
            ++steps_here;
            ++epoch_steps;
            epoch_loss += m.loss;
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
                            m.overtaken});
            result.steps = static_cast<std::int64_t>(m.step) + 1;
            result.parameter_digest = m.digest;
          },
      .on_epoch = [this](const protocol::epoch_ended& m, double seconds) { end_epoch(m, seconds); },
      .on_restart =
          [this](const protocol::restarted& m) {
            ++result.restarts;
            tell(fault_event{m.who, m.life, first_step + steps_here, m.reason, m.recovery_ms});
          },
      .on_credit = [this](const protocol::credit_used& m) { note_credit(m); },
      .on_saved =
          [this](const protocol::checkpoint_saved& m) {
            if (m.problem.empty()) {
              result.last_checkpoint = m.path;
              tell(saved_event{m.path, static_cast<std::int64_t>(m.step)});
            } else {
              tell(saved_event{m.path + " (not written: " + m.problem + ")",
                               static_cast<std::int64_t>(m.step)});
            }
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
            if (m.state) result.parameters = m.state->parameters;
            failure = m.failure;
            ended = true;
            ended_changed.notify_all();
          }};
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
  epoch_steps = epoch_correct = 0;
  epoch_loss = 0;
  epoch_began = seconds;
  tell(e);
}

void run::impl::note_epoch(double seconds) {
  result.seconds = seconds;
  if (epoch_steps == 0) return;
  result.train_loss = epoch_loss / static_cast<double>(epoch_steps);
  result.train_accuracy =
      static_cast<double>(epoch_correct) / static_cast<double>(epoch_steps * wired->job.batch);
}

namespace {

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
  check_kills(w, options.kills);
  check_slow(w, options.slow);
  check_dials(w, options.dials);

  auto state = std::make_unique<run::impl>();
  state->wired = std::make_shared<const wiring>(w);
  state->options = std::move(options);
  const auto g = graph_of(w.job);
  state->layout =
      std::make_shared<parameter_layout>(compile_cpu(g, compile_options_of(w))->layout());
  state->result.node = stage.place.number;
  state->result.nodes = stage.place.count;
  const bool has_state = plays_some(w, stage, [](role_kind r) { return !is_mortal(r); });
  if (!has_state) state->options.resume = state->options.load_weights = {};
  auto begin = starting_state_of(w.job, state->options, *state->layout);
  if (stage.instead.source) // nobody computes with them
    for (tensor& p : begin.content.parameters)
      p = zeros(p.dims());
  state->first_step = static_cast<std::int64_t>(begin.content.step);
  check_stashed_start(w, state->first_step);
  state->result.steps = state->first_step;
  state->result.skipped_checkpoints = begin.skipped;
  state->result.layout = *state->layout;
  state->result.parameter_digest = parameter_digest(*state->layout, begin.content.parameters);
  if (!state->options.checkpoint_folder.empty() &&
      plays_some(w, stage, [](role_kind r) { return r == role_kind::checkpointer; }))
    (stage.files ? *stage.files : machine_disk()).make_folder(state->options.checkpoint_folder);

  state->report = stage.report;
  state->conclude = stage.conclude;
  const auto begins = has_state ? start_text(begin.content.step, state->result) : std::string();
  const casting cast(state->wired,
                     state->layout,
                     std::move(begin.content),
                     state->options,
                     state->callbacks(),
                     stage.kernel_threads,
                     stage.instead);
  state->world =
      stage.make_world(state->hooks(), begins); // a spare waits there, with all else done
  for (const auto& role : state->wired->roles)
    state->world->add(role.where, cast.role_at(role));
  for (const auto& k : state->options.kills)
    state->world->plan({k.who, static_cast<std::uint64_t>(k.step), k.after_messages});
  for (const auto& s : state->options.slow)
    state->world->slow(s.who, s.factor);
  if (state->options.watch) state->world->observe(*state->options.watch);
  state->world->start();
  return run(std::move(state));
}

run::run(std::unique_ptr<impl> started) : impl_(std::move(started)) {}

run::run(run&&) noexcept = default;
run& run::operator=(run&&) noexcept = default;

run::~run() {
  if (impl_ && impl_->world) impl_->world->stop();
}

run_result run::wait() {
  impl_->world->play([this] { return impl_->ended.load(); });
  {
    std::unique_lock lock(impl_->mutex);
    impl_->ended_changed.wait(lock, [&] { return impl_->ended.load(); });
  }
  for (const auto& [edge, use] : impl_->credit)
    add(impl_->result.credit, use);
  for (const auto& [who, use] : impl_->memory)
    note(impl_->result.memory, use);
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
  impl_->world->send({.role = role_kind::director}, protocol::stop_job{});
}

void run::kill(const address& who) {
  impl_->world->kill(who);
}

std::uint32_t run::node() const {
  return impl_->result.node;
}

void run::set(const dial& d) {
  check_dials(*impl_->wired, {d});
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
