#include "actors/supervisor.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace troupe {

supervisor::supervisor(context& world, supervisor_options options)
    : world_(world), options_(std::move(options)) {}

void supervisor::on(const protocol::down& m) {
  auto& c = children_[m.who];
  if (m.life <= c.last_down) return;
  c.last_down = m.life;
  const auto now = world_.now();
  c.recent_deaths = now - c.restarted < options_.quiet ? c.recent_deaths + 1 : 1;
  c.same_error = m.killed ? 0 : m.reason == c.error ? c.same_error + 1 : 1;
  c.error = m.killed ? "" : m.reason;
  c.reason = m.reason;
  c.died = now;

  const auto& fixed = options_.cannot_restart;
  if (std::find(fixed.begin(), fixed.end(), m.who.role) != fixed.end())
    return give_up(m, "it holds state that no other actor has");
  if (c.same_error >= options_.same_error_max)
    return give_up(
        m, fmt::format("it was restarted {} times and failed the same way", c.same_error - 1));

  if (const auto delay = backoff(c); delay.count() > 0)
    world_.send_after(delay, protocol::restart_due{m.who, m.life});
  else
    restart(m.who, c);
}

std::chrono::nanoseconds supervisor::backoff(const child& c) const {
  if (c.recent_deaths <= options_.deaths_free) return {};
  const int doublings = std::min(c.recent_deaths - options_.deaths_free - 1, 20);
  return std::min<std::chrono::nanoseconds>(options_.backoff_min * (1 << doublings),
                                            options_.backoff_max);
}

void supervisor::on(const protocol::restart_due& m) {
  auto& c = children_[m.who];
  if (c.last_down == m.life) restart(m.who, c);
}

void supervisor::restart(const address& who, child& c) {
  const auto life = world_.start(who);
  c.restarted = world_.now();
  const double ms = std::chrono::duration<double, std::milli>(c.restarted - c.died).count();
  world_.send_to_all(protocol::restarted{who, life, c.reason, ms});
}

void supervisor::give_up(const protocol::down& m, const std::string& why) {
  world_.send(options_.director,
              protocol::job_failed{{.what = fmt::format("{} is down: {}", m.who.text(), m.reason),
                                    .why = why,
                                    .help = "resume from the last checkpoint with --resume"}});
}

} // namespace troupe
