#include "troupe/failures.hpp"

#include "actors/runtime/simulation/event_queue.hpp"
#include "troupe/start_run.hpp"

#include <cmath>

namespace troupe {

namespace {

constexpr auto gap_min = std::chrono::microseconds(1);
constexpr auto gap_max = std::chrono::hours(24 * 365); // no run is longer

std::vector<role_kind> roles_of(const failure_rate& rate) {
  if (!rate.roles.empty()) return rate.roles;
  return {role_kind::layer_shard, role_kind::data_loader, role_kind::gradient_aggregator};
}

std::vector<address> victims_of(const wiring& w, const failure_rate& rate) {
  std::vector<address> out;
  for (const role_kind kind : roles_of(rate))
    for (const address& who : w.of(kind))
      out.push_back(who);
  return out;
}

// (0, 1): its logarithm is finite.
double open_unit(random_stream& draws) {
  return (draws.next() + 0.5) / 4294967296.0;
}

} // namespace

std::vector<timed_fault>
draw_failures(const wiring& w, const failure_rate& rate, std::uint64_t seed) {
  const auto victims = victims_of(w, rate);
  auto draws = simulation::stream_of(seed, simulation::draw::failures);
  std::vector<timed_fault> out;
  if (victims.empty()) return out;
  std::chrono::nanoseconds when{0};
  while (out.size() < failure_rate::failures_max && when < gap_max) {
    const double gap = -std::log(open_unit(draws)) * static_cast<double>(rate.mean_gap.count());
    when += std::chrono::nanoseconds(static_cast<std::int64_t>(gap));
    const auto whose = draws.below(static_cast<std::uint32_t>(victims.size()));
    out.push_back({when, kill_fault{victims[whose]}});
  }
  return out;
}

std::vector<error_text> mistakes_of(const failure_rate& rate, const wiring& w) {
  std::vector<error_text> out;
  if (rate.mean_gap < gap_min || rate.mean_gap > gap_max)
    out.push_back({.what = "failures cannot come so often, or so rarely",
                   .where = "failures",
                   .why = "a microsecond to a year lies between two of them on average",
                   .help = "--failures \"1 per 500 ms\""});
  for (const role_kind kind : rate.roles)
    try {
      const auto played = w.of(kind);
      check_mortal(w, played.empty() ? address{.role = kind} : played.front(), "failures");
    } catch (const error& e) {
      out.push_back(e.text());
    }
  return out;
}

} // namespace troupe
