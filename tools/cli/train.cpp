#include "cli/commands.hpp"
#include "cli/help.hpp"
#include "cli/interrupt.hpp"
#include "cli/metrics.hpp"
#include "cli/mistakes.hpp"
#include "cli/run_folder.hpp"
#include "cli/scenario.hpp"
#include "cli/screen.hpp"
#include "cli/serve.hpp"
#include "cli/timeline_file.hpp"
#include "cli/train_options.hpp"
#include "ops/files/atomic_file.hpp"
#include "ops/files/count_text.hpp"
#include "troupe/price.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>

namespace troupe::cli {

namespace {

run_options run_options_of(const train_options& o, const run_folder& folder) {
  run_options out;
  out.checkpoint_folder = folder.file("checkpoints");
  out.control = folder.file(control_name);
  out.checkpoint_every = o.checkpoint_every;
  out.load_weights = o.load;
  out.resume = o.resume.empty() ? "" : checkpoints_of_resume(o.resume);
  out.kills = o.kills;
  out.slow = o.slow;
  out.faults = o.faults;
  out.dials = o.dials;
  return out;
}

start_facts facts_of(const train_options& o, const wiring& w) {
  return {.model = o.model,
          .data = w.job.data.train->name,
          .wiring = w.name,
          .optimizer = text(w.job.optimizer),
          .learning_rate = w.job.learning_rate.text(),
          .version = version_text(),
          .batch = o.batch,
          .steps = w.job.total_steps(),
          .train_images = w.job.data.train->size(),
          .microbatches = o.microbatches,
          .islands = w.job.outer.text(),
          .replicas = w.replicas,
          .seed = o.seed};
}

std::string intro(const train_options& o, const wiring& w) {
  const job& j = w.job;
  const graph g = graph_of(j);
  return fmt::format("{}\n{}  {}, {} images of {}, batch {} in {} microbatches, {} steps\n"
                     "  {}, learning rate {}, augment: {}\n{}",
                     summary(g),
                     fmt::format("{}: {}\n", o.model, w.name),
                     j.data.train->name,
                     count_text(j.data.train->size()),
                     j.data.train->image.text(),
                     j.batch,
                     j.microbatches,
                     count_text(j.total_steps()),
                     text(j.optimizer),
                     j.learning_rate.text(),
                     j.augment.text().empty() ? "nothing" : j.augment.text(),
                     j.outer.islands > 0 ? "  " + j.outer.text() + "\n" : "");
}

screen_options screen_options_of(const train_options& o, const job& j) {
  screen_options out = screen_options_of_process();
  out.quiet = o.quiet;
  out.tested = j.data.test != nullptr;
  out.validated = j.data.validation != nullptr;
  out.steps = j.total_steps();
  out.steps_per_epoch = j.steps_per_epoch();
  out.batch = j.batch;
  return out;
}

run start(const cluster& c, const wiring& w, const run_folder& folder, run_options options) {
  try {
    return c.start(w, std::move(options));
  } catch (...) {
    folder.discard();
    throw;
  }
}

// Takes the listener back before the run that it stops is gone.
struct listening {
  interrupt_watch& watch;

  ~listening() {
    watch.on_first([] {});
  }
};

// Runs to the end or to the interrupt; the run's own errors pass through.
run_result play(const cluster& c,
                const wiring& w,
                const run_folder& folder,
                run_options options,
                interrupt_watch& watch,
                screen& to,
                metrics& report_to) {
  run going = start(c, w, folder, std::move(options));
  report_to.begin();
  const listening while_it_goes{watch};
  watch.on_first([&] {
    to.say("interrupted: finishing the step and saving; once more ends at once");
    going.stop();
  });
  return going.wait();
}

void tell_end(const train_options& o, const run_result& r, const run_folder& folder, screen& to) {
  for (const std::string& path : r.skipped_checkpoints)
    to.say(fmt::format("  ! a damaged checkpoint was not used: {}", path));
  if (!o.save.empty()) to.say("weights saved: " + o.save);
  if (!r.interrupted) {
    if (folder.kept() && !o.quiet) to.say("run kept in " + folder.path());
    return;
  }
  if (folder.kept())
    to.say(fmt::format("resume with: troupe train --resume {}", folder.path()));
  else
    to.say("nothing to resume: there is no run folder (--run-folder none)");
}

// For --faults: each again after as many steps.
void write_faults(const std::vector<fault_record>& faults, const run_folder& folder, screen& to) {
  if (faults.empty() || !folder.kept()) return;
  std::vector<injected_fault> same;
  for (const fault_record& r : faults)
    same.push_back(again(r));
  write_file_atomically(folder.file("faults.toml"), faults_file(same));
  to.say(fmt::format("the same faults again: --faults {}", folder.file("faults.toml")));
}

int finish(const train_options& o,
           const wiring& w,
           const run_result& r,
           const run_folder& folder,
           screen& to,
           metrics& report_to) {
  if (!o.save.empty()) r.save_weights(o.save);
  write_faults(r.faults, folder, to);
  tell_end(o, r, folder, to);
  std::vector<memory_comparison> memory;
  if (w.parts.size() > 1) memory = compared(r.memory, price_of(w));
  report_to.write_line(end_json(r, memory), true);
  fmt::print("{}", o.json ? end_json(r, memory) + "\n" : result_table(r) + text(memory));
  if (!o.json && !r.faults.empty()) fmt::print("\n{}", table(r.faults));
  if (!o.json && !o.dials.empty()) fmt::print("\n{}", table(r.credit));
  std::fflush(stdout);
  return r.interrupted ? exit_interrupted : exit_done;
}

} // namespace

int train(const command_line& line) {
  interrupt_watch watch;
  const train_options o = train_options_of(line.values);
  check_writable(o.save, "--save");
  check_writable(o.metrics, "--metrics");
  check_readable(o.load, "--load");
  check_readable(o.resume, "--resume");
  const auto& data_where = line.values.at("data").where;
  const wiring w = wiring_of(o, load_data_of(o.data, o.validation, o.seed, data_where));

  const cluster here{.compute_threads = o.threads,
                     .place = place_in(variables_of_process()),
                     .move_after = o.move_after};
  if (here.place->number > 0) return serve(here, w, run_options_of(o, {}), watch);

  const timeline_file timeline(o, w);
  const std::string name = fmt::format("{}-{}", o.data, o.model);
  run_folder folder;
  if (here.place->restarts > 0) folder = run_folder::left_behind(o.run_folder, here.place->job);
  const bool goes_on = folder.kept() || !o.resume.empty();
  if (!folder.kept()) folder = run_folder::open(o.run_folder, o.resume, name);
  watch.on_first([&folder] { // nothing has begun
    folder.discard();
    std::_Exit(exit_interrupted);
  });
  folder.write_job(config_text(line.known, line.values, false), here.place->job);
  metrics report_to(o.metrics, folder, goes_on, o.digest_every);

  screen_options look = screen_options_of(o, w.job);
  const double began = look.now();
  look.log = [&, now = look.now](const std::string& said) { report_to.log(now() - began, said); };
  screen to(std::move(look));
  if (!o.quiet) to.say(header_text() + "\n" + intro(o, w));

  report_to.write_line(json_line(facts_of(o, w)), true);
  run_options options = run_options_of(o, folder);
  options.watch = timeline.watch();
  options.observer = [&](const run_event& event) {
    report_to.write(event);
    to.show(event);
  };
  try {
    const run_result result = play(here, w, folder, std::move(options), watch, to, report_to);
    to.finish();
    timeline.write(to);
    return finish(o, w, result, folder, to, report_to);
  } catch (const std::exception& e) {
    to.finish();
    timeline.write(to);
    report_to.write_line(failed_json(e.what()), true);
    throw;
  }
}

} // namespace troupe::cli
