#include "troupe/fault_injector.hpp"

#include "actors/runtime/fault_points.hpp"
#include "actors/runtime/simulation/event_queue.hpp"
#include "troupe/fault_checks.hpp"
#include "troupe/start_run.hpp"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <set>
#include <utility>

namespace troupe {

using std::chrono::nanoseconds;

struct fault_injector::state : std::enable_shared_from_this<state> {
  state(std::shared_ptr<const wiring> w,
        world& there,
        int count,
        std::shared_ptr<const fault_costs> paid,
        std::function<void(const fault_record&)> told)
      : wired(std::move(w)),
        where(there),
        nodes(count),
        costs(std::move(paid)),
        tell(std::move(told)),
        draws(simulation::stream_of(wired->job.seed, simulation::draw::failures)) {
    for (const auto& role : wired->roles)
      if (is_mortal(*wired, role.where)) victims.push_back(role.where);
  }

  void add(const injected_fault& f);
  // Both only where nobody has wanted calm since `asked`.
  void repeat(const injected_fault& f, std::uint64_t asked);
  void happen(injected_fault f, std::uint64_t asked);
  nanoseconds gap(double per_second);
  void repair(const fault& f);

  const std::shared_ptr<const wiring> wired;
  world& where;
  const int nodes;
  const std::shared_ptr<const fault_costs> costs;
  const std::function<void(const fault_record&)> tell;
  std::vector<address> victims;

  mutable std::mutex mutex; // guards what follows; nothing is injected under it
  random_stream draws;
  bool over = false;
  std::uint64_t calmed = 0; // times
  std::int64_t steps = 0;
  std::vector<injected_fault> due_by_step;
  std::vector<fault_record> record;
  std::size_t followed = 0;     // of these, by a step
  std::set<fault_point> points; // at which somebody is still to die
  fault_cost before_last;       // what was paid before the last fault

  [[nodiscard]] double seconds() const {
    return std::chrono::duration<double>(where.now()).count();
  }

  // REQUIRES, of all of these: the mutex.
  void settle(); // what the last one has cost up to now
  void note(const fault_record& now);
  fault_record* unrecovered(const address& who);
  std::optional<fault_point> take_point(const address& who, const std::string& reason);
};

void fault_injector::state::settle() {
  const auto paid = costs->total();
  if (!record.empty())
    record.back().cost = {paid.recomputed_ms - before_last.recomputed_ms,
                          paid.resent_bytes - before_last.resent_bytes};
}

void fault_injector::state::note(const fault_record& now) {
  settle();
  before_last = costs->total();
  record.push_back(now);
}

// Of several kills of one actor the first that nobody has recovered from.
fault_record* fault_injector::state::unrecovered(const address& who) {
  const auto found = std::find_if(record.begin(), record.end(), [&](const fault_record& r) {
    const auto* kill = std::get_if<kill_fault>(&r.what);
    return kill != nullptr && kill->who == who && !r.recovery_ms;
  });
  return found == record.end() ? nullptr : &*found;
}

// One that counts within a step before those of any step: its reason names the step.
std::optional<fault_point> fault_injector::state::take_point(const address& who,
                                                             const std::string& reason) {
  const auto fits = [&](const fault_point& p) { return p.who == who && is_reason_of(reason, p); };
  const auto last = std::find_if(points.rbegin(), points.rend(), fits);
  if (last == points.rend()) return {};
  const auto step = last->step;
  const auto first = std::find_if(
      points.begin(), points.end(), [&](const auto& p) { return fits(p) && p.step == step; });
  return points.extract(first).value();
}

nanoseconds fault_injector::state::gap(double per_second) {
  const double unit = (draws.next() + 0.5) / 4294967296.0; // (0, 1): its logarithm is finite
  return nanoseconds(std::llround(-std::log(unit) / per_second * 1e9));
}

void fault_injector::state::happen(injected_fault f, std::uint64_t asked) {
  fault_record now;
  {
    const std::lock_guard lock(mutex);
    if (over || asked != calmed) return;
    if (std::holds_alternative<kill_any_fault>(f.what))
      f.what = kill_fault{victims[draws.below(static_cast<std::uint32_t>(victims.size()))]};
    now = {.what = f.what, .step = steps, .seconds = seconds(), .lasts = f.lasts};
    note(now);
  }
  tell(now);
  where.inject(f.what);
  if (f.lasts)
    where.after(*f.lasts,
                [self = shared_from_this(), repair = *repair_of(f.what)] { self->repair(repair); });
}

void fault_injector::state::repair(const fault& f) {
  {
    const std::lock_guard lock(mutex);
    if (over) return;
  }
  where.inject(f);
}

// Its gaps are drawn one after the other, so that only the one that comes next waits.
void fault_injector::state::repeat(const injected_fault& f, std::uint64_t asked) {
  nanoseconds pause{0};
  {
    const std::lock_guard lock(mutex);
    if (over || asked != calmed) return;
    pause = gap(*f.per_second);
  }
  where.after(pause, [self = shared_from_this(), f, asked] {
    self->happen(f, asked);
    self->repeat(f, asked);
  });
}

void fault_injector::state::add(const injected_fault& f) {
  if (f.point) {
    {
      const std::lock_guard lock(mutex);
      points.insert(*f.point);
    }
    return where.kill_at(*f.point);
  }
  std::uint64_t asked = 0;
  {
    const std::lock_guard lock(mutex);
    asked = calmed;
    if (f.step && *f.step > steps) return due_by_step.push_back(f);
  }
  if (f.per_second) return repeat(f, asked);
  if (f.at)
    return where.after(std::max(*f.at - where.now(), nanoseconds(0)),
                       [self = shared_from_this(), f, asked] { self->happen(f, asked); });
  happen(f, asked);
}

fault_injector::fault_injector(std::shared_ptr<const wiring> w,
                               world& where,
                               int nodes,
                               std::shared_ptr<const fault_costs> costs,
                               std::function<void(const fault_record&)> tell)
    : state_(
          std::make_shared<state>(std::move(w), where, nodes, std::move(costs), std::move(tell))) {}

fault_injector::~fault_injector() {
  const std::lock_guard lock(state_->mutex);
  state_->over = true;
}

void fault_injector::check(const injected_fault& f) const {
  check_fault(*state_->wired, f, state_->nodes);
  auto refusal = state_->where.refusal(f.what);
  if (refusal.empty() && state_->victims.empty() && std::holds_alternative<kill_any_fault>(f.what))
    refusal = "nobody of this job can be replaced";
  if (!refusal.empty())
    throw error({.what = "'" + text(f.what) + "' cannot happen here",
                 .where = "fault " + text(f),
                 .why = std::move(refusal),
                 .help = "docs/faults.md says what can be injected where"});
}

void fault_injector::add(const injected_fault& f) {
  state_->add(f);
}

void fault_injector::committed(std::int64_t steps) {
  std::vector<injected_fault> due;
  std::uint64_t asked = 0;
  {
    const std::lock_guard lock(state_->mutex);
    asked = state_->calmed;
    state_->steps = std::max(state_->steps, steps);
    const auto now = state_->seconds();
    for (; state_->followed < state_->record.size(); ++state_->followed) {
      auto& r = state_->record[state_->followed];
      r.next_step_ms = (now - r.seconds) * 1e3;
    }
    auto& waiting = state_->due_by_step;
    const auto later = std::stable_partition(
        waiting.begin(), waiting.end(), [&](const auto& f) { return *f.step > steps; });
    due.assign(later, waiting.end());
    waiting.erase(later, waiting.end());
  }
  for (const auto& f : due)
    state_->happen(f, asked);
}

void fault_injector::calm() {
  const std::lock_guard lock(state_->mutex);
  ++state_->calmed;
  state_->due_by_step.clear();
}

// A death at a point is first heard of here.
void fault_injector::restarted(const address& who, const std::string& reason, double recovery_ms) {
  std::optional<fault_record> at_a_point;
  {
    const std::lock_guard lock(state_->mutex);
    const double now = state_->seconds();
    if (const auto point = state_->take_point(who, reason)) {
      at_a_point = {.what = kill_fault{who},
                    .step = state_->steps,
                    .seconds = now - recovery_ms / 1e3,
                    .point = point,
                    .detection_ms = 0,
                    .recovery_ms = recovery_ms};
      state_->note(*at_a_point);
    } else if (auto* killed = state_->unrecovered(who)) {
      killed->recovery_ms = recovery_ms;
      killed->detection_ms = std::max((now - killed->seconds) * 1e3 - recovery_ms, 0.0);
    }
  }
  if (at_a_point) state_->tell(*at_a_point);
}

std::vector<fault_record> fault_injector::happened() const {
  const std::lock_guard lock(state_->mutex);
  state_->settle();
  return state_->record;
}

} // namespace troupe
