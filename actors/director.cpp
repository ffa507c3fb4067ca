#include "actors/director.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <optional>
#include <utility>

namespace troupe {

namespace {

// Rounds, requests and revisions of a director are newer than those of the one before.
std::uint64_t first_of_life(incarnation life) {
  return static_cast<std::uint64_t>(life - 1) << 32U;
}

bool goes_on(const message& event) {
  const auto* p = std::get_if<protocol::training_paused>(&event);
  return p != nullptr && !p->paused;
}

// Of islands that have the same parameters, theirs. `blocks` are in the order of the islands.
template <class Blocks>
std::uint64_t digest_of_blocks(const Blocks& blocks) {
  std::uint64_t sum = 0;
  std::optional<std::uint64_t> first;
  bool same = true;
  for (auto at = blocks.begin(); at != blocks.end();) {
    std::uint64_t digest = 0;
    for (const auto island = at->first.first; at != blocks.end() && at->first.first == island; ++at)
      digest += at->second.digest;
    if (!first) first = digest;
    same = same && digest == *first;
    sum += digest;
  }
  return first && same ? *first : sum;
}

} // namespace

director::director(context& world, director_options options)
    : world_(world),
      credit_(std::exchange(options.edges, {}), first_of_life(world.life())),
      options_(std::move(options)),
      committed_(options_.first_step),
      permitted_(options_.first_step),
      next_of_island_(options_.islands + 1, options_.first_step),
      shares_(options_.shares),
      round_(first_of_life(world.life())),
      saved_(options_.first_step),
      told_{world.life(), 0} {
  save_.request = first_of_life(world.life());
  for (const dial& d : options_.dials)
    dials_.emplace(static_cast<std::uint64_t>(d.step), d);
}

void director::started() {
  ask_for_cursor();
}

void director::ask_for_cursor() {
  world_.send(options_.recorder, protocol::want_cursor{world_.life()});
}

void director::on(const protocol::cursor& m) {
  if (phase_ != phase::beginning || m.life != world_.life()) return;
  phase_ = m.ended ? phase::ended : phase::training;
  committed_ = recorded_ = permitted_ = dealt_ = m.step;
  digest_ = m.digest;
  saved_ = std::max(saved_, m.saved);
  steps_.erase(steps_.begin(), steps_.lower_bound(committed_));
  for (auto& next : next_of_island_)
    next = std::max(next, committed_);
  for (std::uint32_t island = 1; island < next_of_island_.size(); ++island)
    count_steps(island);
  for (const auto& d : m.dealt) {
    shares_.restore(d.step, d.shares);
    dealt_ = permitted_ = std::max(permitted_, d.step + 1);
  }
  set_due_dials();
  if (phase_ == phase::ended) return;
  if (must_pause(m)) {
    pause();
    return save_next();
  }
  save_next();
  if (committed_ >= options_.last_step) { // nothing is left to do
    phase_ = phase::saving;
    return save(committed_, false, true);
  }
  const bool stop = std::exchange(stopping_, false); // what was permitted may be in flight
  permit();
  stopping_ = stop;
  finish_steps();
  if (stopping_ && phase_ == phase::training && committed_ >= permitted_) pause();
}

// Whether the one before stopped training here, or would have: to evaluate, to save, to end.
bool director::must_pause(const protocol::cursor& at) const {
  if (at.went_on || committed_ == options_.first_step) return false;
  const bool saves = pauses_to_save() && save_every() > 0 && committed_ % save_every() == 0;
  return at.paused || saves || committed_ % options_.steps_per_epoch == 0 ||
         committed_ >= options_.last_step;
}

template <class Event>
void director::tell(Event e) {
  ++told_.count;
  e.number = told_;
  untold_.push_back({told_, e});
  world_.send(options_.recorder, std::move(e));
}

void director::on(const protocol::recorded& m) {
  bool further = false;
  for (; !untold_.empty() && untold_.front().number <= m.number; untold_.pop_front()) {
    const auto& event = untold_.front().content;
    const auto* step = std::get_if<protocol::step_committed>(&event);
    const auto* dealt = std::get_if<protocol::shares_dealt>(&event);
    if (step != nullptr) recorded_ = step->step + 1;
    if (dealt != nullptr && phase_ == phase::training && !stopping_)
      permitted_ = std::max(permitted_, dealt->step + 1);
    further = further || step != nullptr || dealt != nullptr || goes_on(event);
  }
  if (phase_ != phase::ended) save_next();
  if (further && phase_ == phase::training) permit();
}

std::uint64_t director::boundary() const {
  if (stopping_) return permitted_;
  const auto next_multiple = [&](std::uint64_t of) { return (committed_ / of + 1) * of; };
  std::uint64_t out = std::min(options_.last_step, next_multiple(options_.steps_per_epoch));
  if (pauses_to_save() && save_every() > 0) out = std::min(out, next_multiple(save_every()));
  return out;
}

// 0: no checkpoints are written.
std::uint64_t director::save_every() const {
  if (options_.checkpoint_folder.empty()) return 0;
  return options_.checkpoint_every > 0 ? options_.checkpoint_every : options_.steps_per_epoch;
}

std::uint64_t director::next_save() const {
  return (saved_ / save_every() + 1) * save_every();
}

// That of the last step is its end's.
bool director::is_save_due() const {
  if (save_every() == 0 || pauses_to_save()) return false;
  const auto next = next_save();
  return next <= committed_ && next < options_.last_step;
}

// While training goes on. What became of the one before is on record first: a successor would ask
// for that one. At the end of an epoch what the evaluation says is told first: a job that goes back
// to the checkpoint does not evaluate it again.
void director::save_next() {
  if (saving_ || !is_save_due()) return;
  const auto next = next_save();
  if (next == committed_ && phase_ == phase::evaluating) return;
  const bool is_told = std::none_of(untold_.begin(), untold_.end(), [](const auto& e) {
    return std::holds_alternative<protocol::checkpoint_saved>(e.content);
  });
  if (is_told) save(next, true, false);
}

// By what is on record: nobody leaves a step behind that a successor might have to ask for again.
// Said after each commit, also where it permits nothing new: a restarted shard may have been told
// to begin at a step that the holders had left behind already.
// What was evaluated and saved, a successor would evaluate and save again: nobody leaves that
// behind before it is on record that the job goes on.
void director::permit() {
  if (std::any_of(untold_.begin(), untold_.end(), [](const auto& e) { return goes_on(e.content); }))
    return;
  const auto untold = announced_;
  auto within = std::min(boundary(), recorded_ + options_.steps_ahead);
  if (save_every() > 0 && !pauses_to_save()) within = std::min(within, next_save() + save_every());
  if (shares_.deals())
    deal(within);
  else
    permitted_ = std::max(permitted_, within);
  if (permitted_ == 0) return; // no share is on record
  announced_ = permitted_;
  for (const auto& shard : options_.shards)
    permit(shard, untold);
}

// A share is on record before a shard hears of it: a successor deals no step again.
void director::deal(std::uint64_t end) {
  for (; dealt_ < end; ++dealt_) {
    shares_.deal(dealt_);
    tell(protocol::shares_dealt{dealt_, shares_.shares_of_step(dealt_)});
  }
}

// Where shares are dealt, each step from `untold` on has a message of its own.
void director::permit(const address& shard, std::uint64_t untold) {
  const auto first = first_step_of(shard);
  const auto credit = credit_.of(shard).revision;
  const auto last = permitted_ - 1;
  for (auto step = shares_.deals() ? std::min(untold, last) : last; step <= last; ++step)
    world_.send(
        shard,
        protocol::begin_step{step, first, credit, shares_.run_of(step, shard.replica), recorded_});
}

// Before the permission for the steps that follow.
void director::set_due_dials() {
  while (!dials_.empty() && dials_.begin()->first <= committed_) {
    for (const auto& order : credit_.set(dials_.begin()->second))
      world_.send(order.to, order.content);
    dials_.erase(dials_.begin());
  }
}

void director::on(const protocol::set_dial& m) {
  dials_.emplace(static_cast<std::uint64_t>(m.value.step), m.value);
  set_due_dials();
}

std::size_t director::blocks_in_all() const {
  return static_cast<std::size_t>(options_.blocks) * std::max(1U, options_.islands);
}

// A worker begins with its first step that some block has not applied, or of which reports were
// lost with a director; a shard of an island with the first that its island has not applied.
std::uint64_t director::first_step_of(const address& shard) const {
  if (const auto island = options_.island_of.find(shard); island != options_.island_of.end())
    return next_of_island_[island->second];
  if (options_.workers == 0) return recorded_;
  std::uint64_t step = recorded_;
  while (step % options_.workers != shard.replica)
    ++step;
  for (;; step += options_.workers) {
    const auto found = steps_.find(step);
    if (found == steps_.end() || !is_complete(step, found->second)) return step;
  }
}

// What workers' updates made last may be of a step that is on record already: a new director hears
// of it all the same.
void director::on(const protocol::committed& m) {
  const block_key key{m.island, m.block};
  if (auto& newest = newest_[key]; m.version >= newest.version) newest = m;
  if (m.step < committed_) return;
  record_of(m.step).blocks[key] = m;
  const bool further = m.island > 0 && count_steps(m.island);
  finish_steps();
  if (!further || phase_ == phase::beginning || next_of_island_[m.island] <= committed_) return;
  if (permitted_ == 0) return; // it is new, and tells all when that training goes on is on record
  for (const auto& [shard, island] : options_.island_of) // as permit() tells all
    if (island == m.island) permit(shard, permitted_);
}

// Whether the island has applied steps that were not known.
bool director::count_steps(std::uint32_t island) {
  auto& next = next_of_island_[island];
  const auto before = next;
  for (auto at = steps_.find(next); at != steps_.end(); at = steps_.find(++next)) {
    const auto& blocks = at->second.blocks;
    const auto first = blocks.lower_bound({island, 0}), last = blocks.lower_bound({island + 1, 0});
    if (std::distance(first, last) != options_.blocks) break;
  }
  return next > before;
}

director::step_record& director::record_of(std::uint64_t step) {
  const auto found = steps_.lower_bound(step);
  if (found != steps_.end() && found->first == step) return found->second;
  return steps_.emplace_hint(found, step, step_record{{}, report_table(options_.microbatches)})
      ->second;
}

void director::on(const protocol::microbatch_report& m) {
  if (m.step < committed_) return;
  record_of(m.step).reports.add(m);
  finish_steps();
}

void director::on(const protocol::share_computed& m) {
  shares_.note(m);
  if (m.overtaken) ++overtaken_;
}

bool director::is_complete(std::uint64_t number, const step_record& step) const {
  return step.blocks.size() == blocks_in_all() &&
         (step.reports.size() == options_.microbatches || lost_reports(number));
}

// Of a step that is applied: who reports it is known to have nothing more, and some stage of the
// worker has left the step behind, so nobody can compute it again. What is told of it is told
// without them: the updates are what counts.
bool director::lost_reports(std::uint64_t number) const {
  bool left_behind = false;
  for (const auto& shard : options_.shards) {
    if (options_.workers == 0 || shard.replica != number % options_.workers) continue;
    const auto found = reporting_.find(shard);
    if (found == reporting_.end()) return false;
    left_behind = left_behind || found->second > number;
  }
  return left_behind;
}

// Of the oldest step that is not committed. The island has left it behind, and with it the
// parameters with which it could be computed again.
bool director::lost_reports_of_island(std::uint32_t island) const {
  const auto each = options_.microbatches / options_.islands;
  const auto& reports = steps_.at(committed_).reports;
  bool missing = false;
  for (auto m = (island - 1) * each; m < island * each; ++m)
    missing = missing || !reports.has(m);
  return missing && next_of_island_[island] > committed_ &&
         std::all_of(options_.island_of.begin(), options_.island_of.end(), [&](const auto& of) {
           const auto found = reporting_.find(of.first);
           return of.second != island || (found != reporting_.end() && found->second > committed_);
         });
}

void director::begin_again_if_lost() {
  for (std::uint32_t island = 1; island <= options_.islands; ++island)
    if (lost_reports_of_island(island))
      return fail(
          {.what = fmt::format("what island {} reported of step {} is lost", island, committed_),
           .why = "a layer shard died together with the director",
           .help = "resume from the last checkpoint with --resume"},
          true);
}

void director::on(const protocol::reports_told& m) {
  auto& step = reporting_[m.who];
  step = std::max(step, m.step);
  finish_steps();
}

void director::finish_steps() {
  while (phase_ == phase::training) {
    const auto found = steps_.find(committed_);
    if (found == steps_.end()) return;
    const auto& step = found->second;
    if (!is_complete(committed_, step)) return begin_again_if_lost();
    const auto pause_at = boundary();
    if (!record(step)) return;
    steps_.erase(found);
    ++committed_;
    shares_.forget_before(committed_);
    set_due_dials();
    if (committed_ >= pause_at) pause();
    save_next();
  }
}

bool director::record(const step_record& step) {
  protocol::step_committed out{
      .step = committed_,
      .shares = shares_.shares_of_step(committed_),
      .overtaken = std::exchange(overtaken_, 0),
      .reports_lost = static_cast<std::uint32_t>(options_.microbatches - step.reports.size())};
  double sum = 0;
  for (const auto& report : step.reports.all()) { // in the order of the microbatches
    sum += report.loss_sum;
    out.correct += report.correct;
  }
  out.loss = sum / normaliser_of(step);
  // Where updates are applied as they come, the newest parameters may hold later ones.
  out.digest = digest_of_blocks(options_.workers > 0 ? newest_ : step.blocks);
  for (const auto& [block, done] : step.blocks) {
    out.staleness = std::max(out.staleness, done.staleness);
    if (done.lead < out.lead) continue;
    out.lead_bound =
        done.lead > out.lead ? done.lead_bound : std::min(out.lead_bound, done.lead_bound);
    out.lead = done.lead;
  }
  digest_ = out.digest;
  if (!std::isfinite(out.loss) && step.reports.size() > 0) {
    fail({.what = fmt::format("the loss of step {} is {}", committed_, out.loss),
          .why =
              "the parameters have grown beyond what float32 holds; nothing was saved of this step",
          .help = "lower --learning-rate, or add --warmup steps"});
    return false;
  }
  tell(out);
  return true;
}

// All microbatches of an island report the island's. Where reports were lost, of what is here.
double director::normaliser_of(const step_record& step) const {
  if (const auto here = step.reports.size(); here < options_.microbatches)
    return step.reports.normaliser() * static_cast<double>(here) / options_.microbatches;
  const auto islands = std::max(1U, options_.islands);
  double out = 0;
  for (std::uint32_t w = 0; w < islands; ++w)
    out += step.reports.all()[w * (options_.microbatches / islands)].normaliser;
  return out;
}

void director::pause() {
  tell(protocol::training_paused{true, committed_});
  const bool epoch_ends = committed_ % options_.steps_per_epoch == 0;
  if ((epoch_ends || committed_ >= options_.last_step) && !options_.evaluators.empty()) {
    phase_ = phase::evaluating;
    ++round_;
    parts_.clear();
    for (const auto& e : options_.evaluators)
      world_.send(e, protocol::evaluate{round_, committed_});
  } else {
    after_evaluation();
  }
}

void director::on(const protocol::evaluated& m) {
  if (phase_ != phase::evaluating || m.round != round_) return;
  parts_[m.part] = m;
  if (parts_.size() == options_.evaluators.size()) after_evaluation();
}

void director::after_evaluation() {
  const bool epoch_ends = committed_ % options_.steps_per_epoch == 0;
  if (epoch_ends || committed_ >= options_.last_step) {
    protocol::epoch_ended out{
        .epoch = static_cast<std::int64_t>((committed_ + options_.steps_per_epoch - 1) /
                                           options_.steps_per_epoch)};
    out.test = totals(&protocol::evaluated::test);
    out.validation = totals(&protocol::evaluated::validation);
    parts_.clear();
    tell(out);
  }
  if (stopping_ || committed_ >= options_.last_step) {
    phase_ = phase::saving;
    end();
  } else if (pauses_to_save() && save_every() > 0 && committed_ % save_every() == 0) {
    phase_ = phase::saving;
    save(committed_, true, false);
  } else {
    phase_ = phase::training;
    tell(protocol::training_paused{false, committed_});
    save_next();
    permit();
  }
}

// Batch b was evaluated by part b % parts. Losses are added in the order of the batches, so the
// total does not depend on how many evaluators there are.
protocol::evaluation_totals
director::totals(protocol::evaluation_sums protocol::evaluated::*set) const {
  protocol::evaluation_totals out;
  if (parts_.empty()) return out;
  for (const auto& [part, answer] : parts_) {
    out.correct += (answer.*set).correct;
    out.images += (answer.*set).images;
  }
  for (std::size_t row = 0; row < (parts_.begin()->second.*set).losses.size(); ++row)
    for (const auto& [part, answer] : parts_)
      if (const auto& losses = (answer.*set).losses; row < losses.size()) out.loss += losses[row];
  return out;
}

void director::save(std::uint64_t version, bool write, bool collects) {
  saving_ = true;
  save_ = {save_.request + 1,
           write ? fmt::format("{}/step-{:08}", options_.checkpoint_folder, version) : "",
           version,
           collects};
  world_.send(options_.checkpointer, save_);
}

// When the checkpoints that are due are written: with the state of the last step, which is saved,
// too.
void director::end() {
  phase_ = phase::saving;
  save_next();
  if (!saving_ && !is_save_due())
    save(committed_, !options_.checkpoint_folder.empty() && good_ != committed_, true);
}

void director::on(const protocol::saved& m) {
  if (!saving_ || m.request != save_.request || phase_ == phase::ended) return;
  saving_ = false;
  if (!save_.path.empty()) {
    saved_ = std::max(saved_, save_.version);
    if (m.problem.empty()) good_ = save_.version;
    tell(protocol::checkpoint_saved{save_.version, m.path, m.problem});
  }
  if (save_.collects) {
    phase_ = phase::ended;
    tell(protocol::job_ended{.steps = committed_,
                             .digest = digest_,
                             .interrupted = stopping_ && committed_ < options_.last_step,
                             .parameters = m.parameters});
  } else if (phase_ == phase::saving && (stopping_ || committed_ >= options_.last_step)) {
    end();
  } else if (phase_ == phase::saving) {
    phase_ = phase::training;
    tell(protocol::training_paused{false, committed_});
    permit();
  } else if (phase_ == phase::training) {
    save_next();
    permit();
  }
}

void director::on(const protocol::stop_job&) {
  if (stopping_ || phase_ == phase::ended) return;
  stopping_ = true;
  // Steps that were permitted will be finished; with none in flight the job pauses at once.
  if (phase_ == phase::training && committed_ >= permitted_) pause();
}

void director::on(const protocol::job_failed& m) {
  fail(m.text);
}

void director::on(const protocol::state_lost& m) {
  fail({.what = fmt::format("what {} knew is lost", m.who.text()),
        .why = "no other actor has it",
        .help = "resume from the last checkpoint with --resume"},
       true);
}

void director::fail(const error_text& why, bool begin_again) {
  if (phase_ == phase::ended) return;
  phase_ = phase::ended;
  tell(protocol::job_ended{
      .steps = committed_, .digest = digest_, .failure = why, .begin_again = begin_again});
}

void director::on(const protocol::restarted& m) {
  if (m.who == options_.recorder) {
    ask_for_cursor();
    for (const auto& event : untold_)
      world_.send(m.who, event.content);
  }
  if (phase_ == phase::beginning) return;
  const auto is = [&](const std::vector<address>& list) {
    return std::find(list.begin(), list.end(), m.who) != list.end();
  };
  if (const auto credit = credit_.of(m.who); credit.revision > 0) world_.send(m.who, credit);
  if (is(options_.shards) && permitted_ > 0) permit(m.who, recorded_);
  if (is(options_.evaluators) && phase_ == phase::evaluating)
    world_.send(m.who, protocol::evaluate{round_, committed_});
  if (m.who == options_.checkpointer && saving_) world_.send(m.who, save_);
}

} // namespace troupe
