#include "actors/runtime/down_ledger.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace troupe {

namespace {

constexpr restart_intensity own_failures{.failures = 10};

} // namespace

void down_ledger::note(const protocol::down& d, std::chrono::nanoseconds now) {
  auto& r = records_[d.who];
  if (d.life <= r.last.what.life) return;
  if (r.last.what.life > 0) older_.push_back(std::move(r.last));
  if (older_.size() > older_max) older_.pop_front();
  r.last = {.what = d, .when = now};
}

void down_ledger::note_start(const address& who, incarnation life) {
  auto& started = records_[who].started;
  started = std::max(started, life);
}

protocol::past_down down_ledger::with_successor(const protocol::past_down& d) const {
  auto out = d;
  const auto started = records_.at(d.what.who).started;
  out.successor = started > d.what.life ? started : 0;
  return out;
}

std::vector<protocol::past_down> down_ledger::all() const {
  std::vector<protocol::past_down> out;
  for (const auto& d : older_)
    out.push_back(with_successor(d));
  for (const auto& [who, r] : records_)
    if (r.last.what.life > 0) out.push_back(with_successor(r.last));
  std::stable_sort(
      out.begin(), out.end(), [](const auto& a, const auto& b) { return a.when < b.when; });
  return out;
}

void down_ledger::begin_again() {
  records_.clear();
  older_.clear();
}

bool down_ledger::bears(const protocol::down& own, std::chrono::nanoseconds now) {
  return own.killed || failures_.note(now, own_failures);
}

protocol::job_failed supervisor_failed(const protocol::down& own) {
  return {{.what = fmt::format("{} is down: {}", own.who.text(), own.reason),
           .why = fmt::format("it had more than {}", text(own_failures)),
           .help = "resume from the last checkpoint with --resume"}};
}

} // namespace troupe
