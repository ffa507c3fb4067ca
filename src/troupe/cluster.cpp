#include "troupe/cluster.hpp"

#include "actors/checkpointer.hpp"
#include "actors/data_loader.hpp"
#include "actors/director.hpp"
#include "actors/evaluator.hpp"
#include "actors/gradient_aggregator.hpp"
#include "actors/layer_shard.hpp"
#include "actors/parameter_holder.hpp"
#include "actors/program_pool.hpp"
#include "actors/recorder.hpp"
#include "actors/runtime/live_world.hpp"
#include "actors/supervisor.hpp"
#include "ops/assert.hpp"
#include "ops/digest.hpp"
#include "ops/files/checkpoint.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <numeric>
#include <optional>
#include <thread>
#include <utility>

namespace troupe {

namespace {

constexpr std::int64_t evaluation_batch = 100;

// Blocks to holders, balanced by bytes: the largest block first, to whom has least.
std::vector<int> assign_blocks(const parameter_layout& layout, int holders) {
  std::vector<std::size_t> order(layout.blocks.size());
  for (std::size_t i = 0; i < order.size(); ++i)
    order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return layout.blocks[a].size > layout.blocks[b].size;
  });
  std::vector<std::int64_t> load(static_cast<std::size_t>(holders), 0);
  std::vector<int> out(layout.blocks.size(), 0);
  for (const auto block : order) {
    const auto least = std::min_element(load.begin(), load.end()) - load.begin();
    out[block] = static_cast<int>(least);
    load[static_cast<std::size_t>(least)] += layout.blocks[block].size;
  }
  return out;
}

std::vector<address> addresses(const wiring& w, role_kind role) {
  std::vector<address> out;
  for (const auto& r : w.roles)
    if (r.where.role == role) out.push_back(r.where);
  return out;
}

// What must be equal for a checkpoint to continue this job to the same bits.
std::map<std::string, std::string> describe_job(const job& j) {
  return {{"model", digest_text(digest_of(to_json(j.model).data(), to_json(j.model).size()))},
          {"data", j.data.train->name},
          {"batch", std::to_string(j.batch)},
          {"microbatches", std::to_string(j.microbatches)},
          {"seed", std::to_string(j.seed)},
          {"optimizer", text(j.optimizer)},
          {"learning rate", j.learning_rate.text()},
          {"steps", std::to_string(j.total_steps())},
          {"augment", j.augment.text()},
          {"shuffle", j.shuffle ? "yes" : "no"},
          {"balanced sampling", j.balanced_sampling ? "yes" : "no"}};
}

struct starting_state {
  checkpoint content;
  std::vector<std::string> skipped;
};

void check_same_job(const std::string& path, const checkpoint& found, const job& j) {
  error_text text{.what = "the checkpoint belongs to another job", .where = path};
  for (const auto& [key, value] : describe_job(j)) {
    const auto was = found.job.find(key);
    if (was == found.job.end() || was->second == value) continue;
    text.why += fmt::format("{}{}: '{}' in the checkpoint, '{}' now",
                            text.why.empty() ? "" : "\n  ",
                            key,
                            was->second,
                            value);
  }
  if (text.why.empty()) return;
  text.help =
      "start with the same options; to begin another job from these weights, save them with --save "
      "and start with --load";
  throw error(std::move(text));
}

starting_state
starting_state_of(const job& j, const run_options& options, const parameter_layout& layout) {
  starting_state out;
  if (!options.resume.empty() && !options.load_weights.empty())
    throw error(
        {.what = "a job starts from a checkpoint or from weights, not from both",
         .where = fmt::format("--resume {} and --load {}", options.resume, options.load_weights),
         .help = "leave one of them out"});
  if (!options.resume.empty()) {
    const auto path = std::filesystem::is_directory(options.resume)
                          ? newest_checkpoint(options.resume, out.skipped)
                          : options.resume;
    out.content = read_checkpoint(path, layout);
    check_same_job(path, out.content, j);
    if (out.content.slots.size() != static_cast<std::size_t>(slots(j.optimizer)))
      throw error({.what = "the checkpoint has another optimizer's state", .where = path});
    return out;
  }
  out.content.parameters = options.load_weights.empty()
                               ? initial_parameters(layout, j.seed)
                               : load_weights(options.load_weights, layout);
  return out;
}

void check_kills(const wiring& w, const std::vector<planned_kill>& kills) {
  constexpr role_kind can[] = {role_kind::layer_shard,
                               role_kind::data_loader,
                               role_kind::gradient_aggregator,
                               role_kind::evaluator,
                               role_kind::checkpointer};
  for (const auto& k : kills) {
    const auto name = k.who.text();
    if (std::find(std::begin(can), std::end(can), k.who.role) == std::end(can))
      throw error(
          {.what = fmt::format("{} cannot be killed in this release", role_text(k.who.role)),
           .where = fmt::format("--kill {}@step={}", name, k.step),
           .why = "it holds state that no other actor has yet",
           .help =
               "kill a layer_shard, data_loader, gradient_aggregator, evaluator or checkpointer"});
    const auto played = addresses(w, k.who.role);
    if (std::find(played.begin(), played.end(), k.who) == played.end()) {
      std::string there;
      for (const auto& a : played)
        there += (there.empty() ? "" : ", ") + a.text();
      throw error({.what = fmt::format("nobody plays {}", name),
                   .where = fmt::format("--kill {}@step={}", name, k.step),
                   .why = fmt::format("the wiring has {}", there),
                   .help = "name one of them"});
    }
    if (k.step < 0 || k.step >= w.job.total_steps())
      throw error({.what = fmt::format("step {} is not a step of this job", k.step),
                   .where = fmt::format("--kill {}@step={}", name, k.step),
                   .why = fmt::format("its steps are 0 to {}", w.job.total_steps() - 1)});
  }
}

} // namespace

// Everything of a run; its callbacks come from the recorder's actor, wait() from the owner.
struct run::impl {
  wiring wired;
  run_options options;
  std::shared_ptr<const parameter_layout> layout;
  std::unique_ptr<live_world> world;

  std::mutex mutex;
  std::condition_variable ended_changed;
  bool ended = false;
  error_text failure;
  run_result result;
  std::int64_t steps_here = 0, first_step = 0; // committed by this run; before it
  std::int64_t epoch_steps = 0, epoch_correct = 0;
  double epoch_loss = 0, epoch_began = 0; // since the last epoch's end
  std::map<address, bool> seen_restart;

  void add_roles(starting_state start, int kernel_threads);
  recorder_options callbacks();
  void note_epoch(double seconds);

  void tell(const run_event& e) const {
    if (options.observer) options.observer(e);
  }
};

recorder_options run::impl::callbacks() {
  return {
      .on_step =
          [this](const protocol::step_committed& m, double seconds) {
            ++steps_here;
            ++epoch_steps;
            epoch_loss += m.loss;
            epoch_correct += m.correct;
            result.seconds = seconds;
            tell(step_event{static_cast<std::int64_t>(m.step) + 1,
                            m.loss,
                            static_cast<double>(m.correct) / static_cast<double>(wired.job.batch),
                            m.digest,
                            seconds});
            result.steps = static_cast<std::int64_t>(m.step) + 1;
            result.parameter_digest = m.digest;
          },
      .on_epoch =
          [this](const protocol::epoch_ended& m, double seconds) {
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
                          .images_per_second = static_cast<double>(epoch_steps * wired.job.batch) /
                                               std::max(seconds - epoch_began, 1e-9),
                          .digest = result.parameter_digest};
            result.epochs = m.epoch;
            result.test_loss = e.test_loss;
            result.test_accuracy = e.test_accuracy;
            epoch_steps = epoch_correct = 0;
            epoch_loss = 0;
            epoch_began = seconds;
            tell(e);
          },
      .on_restart =
          [this](const protocol::restarted& m) {
            ++result.restarts;
            tell(fault_event{m.who, m.life, first_step + steps_here, m.reason, m.recovery_ms});
          },
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
      .on_end =
          [this](const protocol::job_ended& m, double seconds) {
            if (epoch_steps > 0) note_epoch(seconds);
            const std::lock_guard lock(mutex);
            result.seconds = seconds;
            result.steps = static_cast<std::int64_t>(m.steps);
            result.interrupted = m.interrupted;
            result.images_per_second =
                static_cast<double>(steps_here * wired.job.batch) / std::max(seconds, 1e-9);
            if (m.state) result.parameters = m.state->parameters;
            failure = m.failure;
            ended = true;
            ended_changed.notify_all();
          }};
}

void run::impl::note_epoch(double seconds) {
  result.seconds = seconds;
  if (epoch_steps == 0) return;
  result.train_loss = epoch_loss / static_cast<double>(epoch_steps);
  result.train_accuracy =
      static_cast<double>(epoch_correct) / static_cast<double>(epoch_steps * wired.job.batch);
}

void run::impl::add_roles(starting_state start, int kernel_threads) {
  const auto& j = wired.job;
  const auto g = build_graph(j.model, j.data.train->image);
  const auto outputs = static_cast<int>(g.output().elements());
  const auto blocks = static_cast<int>(layout->blocks.size());
  const auto criterion = std::make_shared<const loss>(j.loss);
  const auto shards = addresses(wired, role_kind::layer_shard);
  const auto holders = addresses(wired, role_kind::parameter_holder);
  const auto aggregators = addresses(wired, role_kind::gradient_aggregator);
  const auto evaluators = addresses(wired, role_kind::evaluator);
  const auto owner = assign_blocks(*layout, wired.holders);
  const address director_address{.role = role_kind::director};

  std::vector<address> holder_of, aggregator_of;
  for (const int o : owner) {
    holder_of.push_back(holders[static_cast<std::size_t>(o)]);
    aggregator_of.push_back(aggregators[static_cast<std::size_t>(o)]);
  }

  const auto training = std::make_shared<program_pool>(
      [g, width = j.batch / j.microbatches] { return compile_cpu(g, {.microbatch = width}); });
  { // all of them before the clock runs
    std::vector<std::shared_ptr<program>> warm;
    for (std::size_t i = 0; i < shards.size(); ++i)
      warm.push_back(training->take());
  }
  const auto evaluation = std::make_shared<program_pool>([g, layout = layout] {
    return compile_cpu(g,
                       {.microbatch = evaluation_batch, .training = false, .layout = layout.get()});
  });
  const auto pixels = pixel_transform_of(*j.data.train, j.augment);

  world->add({.role = role_kind::supervisor}, [](context& c) {
    return std::make_unique<supervisor>(
        c,
        supervisor_options{.cannot_restart = {role_kind::parameter_holder,
                                              role_kind::director,
                                              role_kind::recorder}});
  });
  director_options direct{.first_step = static_cast<std::uint64_t>(first_step),
                          .last_step = static_cast<std::uint64_t>(j.total_steps()),
                          .steps_per_epoch = static_cast<std::uint64_t>(j.steps_per_epoch()),
                          .microbatches = j.microbatches,
                          .blocks = blocks,
                          .shards = shards,
                          .checkpoint_folder = options.checkpoint_folder,
                          .checkpoint_every = static_cast<std::uint64_t>(options.checkpoint_every)};
  if (options.evaluate && (j.data.test || j.data.validation)) direct.evaluators = evaluators;
  world->add(director_address,
             [direct](context& c) { return std::make_unique<director>(c, direct); });
  world->add({.role = role_kind::recorder},
             [calls = callbacks()](context& c) { return std::make_unique<recorder>(c, calls); });
  world->add({.role = role_kind::checkpointer},
             [o = checkpointer_options{.layout = layout,
                                       .holders = holders,
                                       .job = describe_job(j),
                                       .kept = options.checkpoints_kept}](context& c) {
               return std::make_unique<checkpointer>(c, o);
             });

  const sampling sampled{j.batch, j.microbatches, j.shuffle, j.balanced_sampling, j.seed};
  for (const auto& r : wired.roles) {
    if (r.where.role == role_kind::data_loader)
      world->add(r.where,
                 [o = data_loader_options{
                      [data = j.data.train, sampled, a = j.augment, criterion, outputs] {
                        return microbatch_reader(data, sampled, a, *criterion, outputs);
                      }}](context& c) { return std::make_unique<data_loader>(c, o); });
    if (r.where.role == role_kind::layer_shard)
      world->add(
          r.where,
          [o = layer_shard_options{
               .own = {r.microbatches.first, r.microbatches.count},
               .microbatches = j.microbatches,
               .seed = j.seed,
               .criterion = criterion,
               .blocks = blocks,
               .aggregators = aggregator_of,
               .holders = holders,
               .loader = {.role = role_kind::data_loader, .replica = r.where.replica},
               .director = director_address,
               .programs = training}](context& c) { return std::make_unique<layer_shard>(c, o); });
  }
  for (const auto& a : aggregators)
    world->add(a, [o = gradient_aggregator_options{j.microbatches, holder_of}](context& c) {
      return std::make_unique<gradient_aggregator>(c, o);
    });
  for (std::size_t h = 0; h < holders.size(); ++h) {
    parameter_holder_options o{.version = static_cast<std::uint64_t>(first_step),
                               .layout = layout,
                               .rule = j.optimizer,
                               .rate = j.learning_rate,
                               .total_steps = j.total_steps(),
                               .microbatches = j.microbatches,
                               .readers = shards,
                               .director = director_address,
                               .parts_max = std::max(kernel_threads, 1)};
    for (std::size_t b = 0; b < owner.size(); ++b)
      if (owner[b] == static_cast<int>(h)) {
        held_block held{.block = static_cast<int>(b), .parameters = start.content.parameters[b]};
        for (const auto& slot : start.content.slots)
          held.slots.push_back(slot[b]);
        o.blocks.push_back(std::move(held));
      }
    world->add(holders[h], [o](context& c) { return std::make_unique<parameter_holder>(c, o); });
  }
  for (std::size_t e = 0; e < evaluators.size(); ++e)
    world->add(evaluators[e],
               [o = evaluator_options{.part = static_cast<std::uint32_t>(e),
                                      .parts = static_cast<std::uint32_t>(evaluators.size()),
                                      .blocks = blocks,
                                      .holders = holders,
                                      .programs = evaluation,
                                      .criterion = criterion,
                                      .test = j.data.test,
                                      .validation = j.data.validation,
                                      .pixels = pixels}](context& c) {
                 return std::make_unique<evaluator>(c, o);
               });
}

run cluster::start(const wiring& w, run_options options) const {
  if (const auto mistakes = mistakes_of(w.job); !mistakes.empty()) throw error(mistakes.front());
  check_kills(w, options.kills);

  auto state = std::make_unique<run::impl>();
  state->wired = w;
  state->options = std::move(options);
  const auto g = build_graph(w.job.model, w.job.data.train->image);
  state->layout = std::make_shared<parameter_layout>(
      compile_cpu(g, {.microbatch = w.job.batch / w.job.microbatches})->layout());
  auto begin = starting_state_of(w.job, state->options, *state->layout);
  state->first_step = static_cast<std::int64_t>(begin.content.step);
  state->result.steps = state->first_step;
  state->result.skipped_checkpoints = begin.skipped;
  state->result.layout = *state->layout;
  for (const auto& block : begin.content.parameters)
    state->result.parameter_digest =
        digest_combine(state->result.parameter_digest, block_digest(block));
  if (!state->options.checkpoint_folder.empty()) {
    std::error_code problem;
    std::filesystem::create_directories(state->options.checkpoint_folder, problem);
    if (problem)
      throw error({.what = "checkpoints cannot be written",
                   .where = state->options.checkpoint_folder,
                   .why = problem.message(),
                   .help = "choose a folder that you may write to"});
  }

  const int cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  const int kernel_threads = compute_threads > 0 ? compute_threads : std::min(w.replicas, cores);
  state->world = std::make_unique<live_world>(live_world_options{.kernel_threads = kernel_threads});
  state->add_roles(std::move(begin), kernel_threads);
  for (const auto& k : state->options.kills)
    state->world->plan({k.who, static_cast<std::uint64_t>(k.step), k.after_messages});
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
  {
    std::unique_lock lock(impl_->mutex);
    impl_->ended_changed.wait(lock, [&] { return impl_->ended; });
  }
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

void run_result::save_weights(const std::string& path) const {
  troupe::save_weights(path, layout, parameters, static_cast<std::uint64_t>(steps));
}

evaluation evaluate(const model& m,
                    const std::string& weights,
                    const dataset_ptr& data,
                    const pixel_transform& pixels,
                    const loss& l) {
  const auto compiled =
      compile_cpu(build_graph(m, data->image), {.microbatch = evaluation_batch, .training = false});
  compiled->bind(load_weights(weights, compiled->layout()));
  const auto sums = evaluate_part(*compiled, l, *data, pixels, 0, 1);
  const auto n = static_cast<double>(std::max<std::int64_t>(sums.images, 1));
  return {std::accumulate(sums.losses.begin(), sums.losses.end(), 0.0) / n,
          static_cast<double>(sums.correct) / n,
          sums.images};
}

std::uint64_t peak_memory_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:")) return std::stoull(line.substr(6)) * 1024;
  return 0;
}

} // namespace troupe
