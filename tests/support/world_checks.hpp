// Plays a drawn world and says what is wrong with the run: bits that are not the plain loop's, who
// stands still, who died of himself, who was restarted without having died, credit that was
// overdrawn, updates of a parameter server that are lost, doubled or too stale, checkpoints that
// lead elsewhere, and progress that is slow once everything is healed.
#pragma once

#include "actors/runtime/disk.hpp"
#include "ops/files/checkpoint.hpp"
#include "ops/files/sharded_checkpoint.hpp"
#include "src/small_jobs.hpp"
#include "support/copies_watch.hpp"
#include "support/deadline.hpp"
#include "support/dial_watch.hpp"
#include "support/drawn_world.hpp"
#include "support/scratch_folder.hpp"
#include "support/sequential_reference.hpp"
#include "support/update_watch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <exception>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace troupe::test {

struct world_failure {
  std::string kind; // a word or two: what a smaller world must show as well
  std::string text;
};

struct played_world {
  std::optional<world_failure> failure;
  bool diverged = false; // a loss is no number: nothing is said about the run
  bool lost = false;     // all copies of something: likewise
  log_of_run run;
};

// Each restart follows a death, and nobody dies who was not killed.
class life_watch {
public:
  void hear(const heard_message& m) {
    if (const auto* d = std::get_if<protocol::down>(m.content)) note(*d);
    if (const auto* d = std::get_if<protocol::past_down>(m.content)) note(d->what);
    const auto* r = std::get_if<protocol::restarted>(m.content);
    if (r != nullptr && m.to.role == role_kind::recorder && r->life > lives_[r->who]) {
      lives_[r->who] = r->life; // what a supervisor before says may come later
      ++restarts_;
    }
    if (r != nullptr && problem_.empty() && !deaths_.contains({r->who, r->life - 1}))
      problem_ = fmt::format(
          "{} is incarnation {}, and the one before has not died", r->who.text(), r->life);
  }

  [[nodiscard]] const std::string& problem() const { return problem_; }

  [[nodiscard]] std::int64_t restarts() const { return restarts_; }

private:
  void note(const protocol::down& d) {
    deaths_.insert({d.who, d.life});
    if (!d.killed && problem_.empty()) problem_ = d.who.text() + " died of " + d.reason;
  }

  std::set<std::pair<address, incarnation>> deaths_; // who, life
  std::map<address, incarnation> lives_;
  std::int64_t restarts_ = 0;
  std::string problem_;
};

inline bool is_finite(const reference_run& r) {
  return std::all_of(r.losses.begin(), r.losses.end(), [](double x) { return std::isfinite(x); });
}

class world_check {
public:
  // `expected` is not read where updates are applied as they come.
  world_check(const drawn_world& d, const reference_run& expected)
      : drawn_(d), expected_(expected), wired_(d.wired()), copies_(wired_), dials_(d) {}

  played_world play() {
    played_world out;
    try {
      out.run = simulate(drawn_.disturbed(), drawn_.run_with(saved_.path()));
    } catch (const error& e) {
      const auto what = e.text().what;
      out.diverged = what.starts_with("the loss of step");
      out.lost = drawn_.as_they_come() && what.ends_with("lost") && copies_.may_have_lost(what);
      if (!out.diverged && !out.lost) fail(is_stuck(what) ? "stuck" : "failed", e.what());
    } catch (const std::exception& e) {
      fail("failed", e.what());
    }
    if (!lives_.problem().empty()) {
      failure_.reset(); // it is why
      fail("life", lives_.problem());
    }
    if (!copies_.problem().empty()) fail("copies", copies_.problem());
    if (!dials_.problem().empty()) fail("dials", dials_.problem());
    if (!failure_ && !out.diverged && !out.lost) try {
        check(out.run);
      } catch (const std::exception& e) {
        fail("failed", e.what());
      }
    out.failure = failure_;
    return out;
  }

private:
  static constexpr int messages_max = 1'000'000;

  static bool is_stuck(const std::string& what) {
    return what.starts_with("nobody can go on") || what.starts_with("no end");
  }

  log_of_run simulate(simulated_cluster where, run_options how) {
    where.files = {&machine_disk(), [](disk*) {}}; // it is resumed from there
    where.on_message = [this, heard = 0](const heard_message& m) mutable {
      if (++heard > messages_max) throw error({.what = "no end after a million messages"});
      lives_.hear(m);
      copies_.hear(m);
      dials_.hear(m);
      if (drawn_.as_they_come()) updates_.hear(m);
    };
    return play_on(where, wired_, std::move(how));
  }

  void fail(const std::string& kind, const std::string& text) {
    if (!failure_) failure_ = world_failure{kind, text};
  }

  template <class A, class B>
  void compare(const char* kind, const A& got, const B& wanted) {
    if (got.size() != wanted.size())
      fail(kind, fmt::format("{} instead of {} of them", got.size(), wanted.size()));
    for (std::size_t i = 0; i < std::min(got.size(), wanted.size()); ++i)
      if (got[i] != wanted[i])
        fail(kind, fmt::format("the {}. is {} instead of {}", i + 1, got[i], wanted[i]));
  }

  void check(const log_of_run& run) {
    if (drawn_.as_they_come())
      check_updates(run);
    else
      check_bits(run);
    if (run.result.restarts != lives_.restarts())
      fail("restarts", fmt::format("{} are told of {}", run.result.restarts, lives_.restarts()));
    for (const credit_use& use : run.result.credit)
      if (!use.kept()) fail("credit", table({use}));
    if (run.result.parameter_digest != parameter_digest(run.result.layout, run.result.parameters))
      fail("state", "the parameters at the end are not those of the last step");
    if (!failure_ && drawn_.checkpoint_every > 0) check_saves(run);
    if (!failure_ && drawn_.checkpoint_every > 0 && !drawn_.as_they_come()) check_resumed();
    if (!failure_ && drawn_.timed) check_progress(run.result.seconds);
  }

  void check_bits(const log_of_run& run) {
    compare("digest", run.digests, expected_.digests);
    compare("loss", run.losses, expected_.losses);
    if (!drawn_.evaluates || !drawn_.job.data.test) return;
    std::vector<double> losses, accuracies;
    for (const epoch_event& e : run.epochs) {
      losses.push_back(e.test_loss);
      accuracies.push_back(e.test_accuracy);
    }
    compare("test loss", losses, expected_.test_losses);
    compare("test accuracy", accuracies, expected_.test_accuracies);
  }

  void check_updates(const log_of_run& run) {
    if (static_cast<std::int64_t>(run.digests.size()) != drawn_.job.steps)
      fail("steps", fmt::format("{} of {} committed", run.digests.size(), drawn_.job.steps));
    if (const auto problem = updates_.problem(drawn_, run.result.layout); !problem.empty())
      fail("update", problem);
  }

  // What is said to be saved is whole, and of the step that it says; of each step that is due it is
  // said, one way or the other.
  void check_saves(const log_of_run& run) {
    for (const saved_event& e : run.saves)
      try {
        if (e.problem.empty()) check_saved(e, run.result.layout);
      } catch (const error& damaged) {
        fail("checkpoint", damaged.what());
      }
    const auto every = drawn_.checkpoint_every;
    for (auto step = every; step <= drawn_.job.total_steps(); step += every)
      if (std::none_of(run.saves.begin(), run.saves.end(), [&](const saved_event& e) {
            return e.step == step;
          }))
        fail("checkpoint", fmt::format("nothing is told of that of step {}", step));
  }

  void check_saved(const saved_event& e, const parameter_layout& layout) {
    const auto saved = read_checkpoint(e.path, layout);
    if (static_cast<std::int64_t>(saved.step) != e.step)
      fail("checkpoint", fmt::format("{} is of step {}", e.path, saved.step));
    const bool of_that_step = !drawn_.as_they_come() && drawn_.job.outer.islands == 0;
    const auto expected = expected_.digests[static_cast<std::size_t>(e.step - 1)];
    if (of_that_step && parameter_digest(layout, saved.parameters) != expected)
      fail("checkpoint", fmt::format("{} has parameters of another step", e.path));
  }

  // From the middle one of its checkpoints, undisturbed.
  void check_resumed() {
    const auto every = drawn_.checkpoint_every;
    const auto saves = (drawn_.job.total_steps() - 1) / every;
    if (saves < 1) return;
    const auto step = every * ((saves + 1) / 2);
    const auto path = saved_.file(fmt::format("step-{:08}", step));
    if (manifest_of(path).empty()) return; // who had it died while it was written
    try {
      const auto rest = simulate(drawn_.cluster, {.resume = path, .evaluate = false});
      const auto first = static_cast<std::ptrdiff_t>(step);
      compare("resumed digest",
              rest.digests,
              std::vector(expected_.digests.begin() + first, expected_.digests.end()));
    } catch (const error& e) {
      fail("resume", e.what());
    }
  }

  // Once all is healed, the rest takes no longer than the whole undisturbed run, but for what
  // deaths cost: the supervisor backs off, and what is lost on the way is sent again.
  void check_progress(double seconds) {
    const auto calm =
        simulate(drawn_.cluster, {.evaluate = drawn_.evaluates, .dials = drawn_.dials});
    const auto in_seconds = [](std::chrono::nanoseconds t) {
      return std::chrono::duration<double>(t).count();
    };
    const double deaths = static_cast<double>(drawn_.disturbances());
    const double bound = in_seconds(drawn_.healed()) + 3 * calm.result.seconds +
                         deaths * (calm.result.seconds + 0.7);
    if (seconds > bound)
      fail("late",
           fmt::format("{:.3f} s of virtual time, {:.3f} s after the last fault; the undisturbed "
                       "run takes {:.3f} s",
                       seconds,
                       seconds - in_seconds(drawn_.healed()),
                       calm.result.seconds));
  }

  const drawn_world& drawn_;
  const reference_run& expected_;
  const wiring wired_;
  const scratch_folder saved_;
  life_watch lives_;
  copies_watch copies_;
  dial_watch dials_;
  update_watch updates_;
  std::optional<world_failure> failure_;
};

inline reference_run reference_of(const drawn_world& d) {
  if (d.as_they_come()) return {};
  return play_sequentially(d.job, delays_of(d.wired()));
}

} // namespace troupe::test
