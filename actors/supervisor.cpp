#include "actors/supervisor.hpp"

#include <algorithm>
#include <utility>

namespace troupe {

namespace {

child_end end_of(const protocol::down& m) {
  return {m.killed ? child_end::kind::killed : child_end::kind::failed, m.reason, m.input};
}

} // namespace

supervisor::supervisor(context& world, supervisor_options options)
    : world_(world), options_(std::move(options)) {}

std::vector<wait> supervisor::waits() const {
  std::vector<wait> out;
  if (!machine_) return out;
  const auto now = world_.now();
  for (const auto& [who, when] : machine_->put_off())
    if (when > now)
      out.push_back({.what = wait_kind::backoff, .from = addresses_[who], .due = when - now});
  return out;
}

void supervisor::on(const protocol::down& m) {
  const auto who = number_of(m.who);
  if (!who) return;
  machine_->down(*who, m.life, end_of(m), world_.now());
  wait_until_due();
}

void supervisor::on(const protocol::past_down& m) {
  const auto& d = m.what;
  if (d.who == world_.self()) {
    if (d.life + 1 == world_.life()) tell_restarted(d.who, world_.life(), d.reason, m.when);
    return;
  }
  const auto who = number_of(d.who);
  if (!who) return;
  machine_->past_down(*who, d.life, end_of(d), m.when, m.successor, world_.now());
  wait_until_due();
}

void supervisor::on(const protocol::supervision_due&) {
  due_.reset();
  if (!machine_) return;
  machine_->time(world_.now());
  wait_until_due();
}

void supervisor::wait_until_due() {
  const auto due = machine_->due();
  if (!due || (due_ && *due_ <= *due)) return;
  due_ = due;
  world_.send_after(std::max(*due - world_.now(), {}), protocol::supervision_due{});
}

std::optional<child_number> supervisor::number_of(const address& who) {
  if (!machine_) make_machine();
  const auto found = std::lower_bound(by_address_.begin(), by_address_.end(), std::pair(who, 0U));
  if (found == by_address_.end() || found->first != who) return {};
  return found->second;
}

void supervisor::make_machine() {
  const auto tree = options_.tree();
  supervised_world& acted_on = *this;
  machine_ = std::make_unique<supervision>(tree, acted_on);
  machine_->adopt();
  for (const child_spec* c : actors_of(tree)) {
    const auto number = *machine_->find(c->id);
    addresses_.resize(number + 1);
    addresses_[number] = parse_address(c->id);
    by_address_.emplace_back(addresses_[number], number);
  }
  std::sort(by_address_.begin(), by_address_.end());
}

incarnation supervisor::start(child_number who) {
  return world_.start(addresses_[who]);
}

void supervisor::stop(child_number who) {
  world_.end(addresses_[who]);
}

void supervisor::kill(child_number who) {
  world_.end(addresses_[who]);
}

void supervisor::restarted(const child_restart& r) {
  const address& who = addresses_[r.who];
  tell_restarted(who, r.life, r.reason, r.died);
  if (who == options_.director && failure_) // the one before may not have heard it
    world_.send(options_.director, protocol::job_failed{*failure_});
}

void supervisor::tell_restarted(const address& who,
                                incarnation life,
                                const std::string& reason,
                                std::chrono::nanoseconds died) {
  const double ms = std::chrono::duration<double, std::milli>(world_.now() - died).count();
  world_.send_to_all(protocol::restarted{who, life, reason, ms});
}

void supervisor::give_up(const error_text& why) {
  if (!failure_) {
    failure_ = why;
    failure_->help = "resume from the last checkpoint with --resume";
  }
  world_.send(options_.director, protocol::job_failed{*failure_});
}

} // namespace troupe
