#include "troupe/fault_checks.hpp"

#include "troupe/start_run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string>

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

void check_moments(const wiring& w, const injected_fault& f, const std::string& where) {
  if (int(f.at.has_value()) + int(f.step.has_value()) + int(f.per_second.has_value()) +
          int(f.point.has_value()) >
      1)
    throw error({.what = "a fault has one moment",
                 .where = where,
                 .why = "a time, a step, a rate or a fault point",
                 .help = "add one fault for each"});
  if (f.lasts && (f.lasts->count() < 0 || !repair_of(f.what)))
    throw error({.what = fmt::format("'{}' does not last", text(f.what)),
                 .where = where,
                 .why = "what can be repaired lasts: pause, slow, cut and fill-disk",
                 .help = "leave the time out"});
  if (f.at && f.at->count() < 0)
    throw error({.what = "a fault before the beginning",
                 .where = where,
                 .why = "times are since the run began, 0 or more"});
  if (f.step && (*f.step < 0 || *f.step >= w.job.total_steps()))
    throw error({.what = fmt::format("after step {} nothing can happen", *f.step),
                 .where = where,
                 .why = fmt::format("0 to {} steps are committed before the last",
                                    w.job.total_steps() - 1)});
  if (f.per_second && !(*f.per_second > 0 && *f.per_second <= injected_fault::per_second_max))
    throw error({.what = "a fault cannot come so often",
                 .where = where,
                 .why = fmt::format("above 0 and at most {} times a second",
                                    injected_fault::per_second_max)});
}

} // namespace

void check_node_may_die(const wiring& w, int node, int nodes, const std::string& where) {
  const auto alone = w.order.as_they_come() ? lonely_state_of(w, nodes) : std::set<address>{};
  for (const auto& role : w.roles) {
    if (role.node % nodes != node) continue;
    check_mortal(w, role.where, where);
    if (alone.contains(role.where))
      throw error({.what = fmt::format("node {} has all copies of {}", node, role.where.text()),
                   .where = where,
                   .why = "an asynchronous job cannot go back to where it was",
                   .help = "put copies on other nodes: --holder-copies 2, over more nodes"});
  }
}

bool has_state(role_kind role) {
  return role == role_kind::parameter_holder || role == role_kind::residual_keeper;
}

bool is_mortal(const wiring& w, const address& who) {
  return !w.order.as_they_come() || who.role != role_kind::parameter_holder ||
         copies_of(w, who).size() > 1;
}

void check_mortal(const wiring& w, const address& who, const std::string& where) {
  check_played(w, who, where);
  if (is_mortal(w, who)) return;
  throw error({.what = fmt::format("{} has no copy", who.text()),
               .where = where,
               .why = "no other actor has what it knows, and an asynchronous job cannot go back: "
                      "workers were told that their updates are applied",
               .help = "give the parameter holders copies: --holder-copies 2"});
}

void check_kill(const wiring& w, const fault_point& at, const std::string& where) {
  check_mortal(w, at.who, where);
  if (at.message < 1 || at.call.value_or(0) < 0)
    throw error({.what = "a fault point is numbered from message 1, and from call 0",
                 .where = where,
                 .help = "call 0 is before the handler of the message"});
  if (at.step == fault_point::any_step) return;
  if (at.who.role == role_kind::supervisor)
    throw error({.what = "a supervisor has no steps in which it could be killed",
                 .where = where,
                 .why = "it hears of deaths, and of nothing else",
                 .help = "count its messages since the job began: --kill supervisor@message=3"});
  if (at.step < 0 || at.step >= w.job.total_steps())
    throw error({.what = fmt::format("step {} is not a step of this job", at.step),
                 .where = where,
                 .why = fmt::format("its steps are 0 to {}", w.job.total_steps() - 1)});
}

void check_slow(const wiring& w, const slow_actor& s, const std::string& where) {
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

void check_fault(const wiring& w, const injected_fault& f, int nodes) {
  const auto where = "fault " + text(f);
  check_moments(w, f, where);
  const auto* kill = std::get_if<kill_fault>(&f.what);
  if (f.point && (kill == nullptr || kill->who != f.point->who))
    throw error({.what = "only the actor that a fault point names can be killed there",
                 .where = where,
                 .why = "",
                 .help = "kill layer_shard/1@step=3,message=2"});
  if (f.point) check_kill(w, *f.point, where);
  if (kill != nullptr) check_mortal(w, kill->who, where);
  if (const auto* s = std::get_if<slow_actor_fault>(&f.what))
    check_slow(w, {s->who, s->factor}, where);
  if (const auto* k = std::get_if<kill_node_fault>(&f.what))
    check_node_may_die(w, k->node, nodes, where);
}

} // namespace troupe
