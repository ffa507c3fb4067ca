#include "cli/simulation_speed.hpp"

#include "cli/progress.hpp"
#include "ops/files/count_text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <fstream>

namespace troupe::cli {

namespace {

std::uint64_t memory_bytes() { // that the process has now
  std::ifstream file("/proc/self/statm");
  std::uint64_t pages = 0, resident = 0;
  file >> pages >> resident;
  return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

double cpu_seconds() {
  return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}

double seconds_between(std::chrono::steady_clock::time_point a,
                       std::chrono::steady_clock::time_point b) {
  return std::chrono::duration<double>(b - a).count();
}

} // namespace

simulation_speed::simulation_speed()
    : began_(clock::now()), cpu_before_(cpu_seconds()), bytes_before_(memory_bytes()) {}

void simulation_speed::step(double virtual_seconds, std::uint64_t heard) {
  last_ = {clock::now(), cpu_seconds(), virtual_seconds, heard};
  if (++steps_ == 1) first_ = last_;
}

void simulation_speed::end(const run_result& r, int nodes) {
  bytes_ = r.peak_memory_bytes;
  bytes_per_node_ =
      (bytes_ - std::min(bytes_, bytes_before_)) / static_cast<std::uint64_t>(std::max(nodes, 1));
}

double simulation_speed::seconds() const {
  return std::max(seconds_between(first_.when, last_.when), 1e-9);
}

std::string simulation_speed::text() const {
  if (steps_ == 0) return "";
  std::string out = fmt::format("first step after {:.1f} s", seconds_between(began_, first_.when));
  if (steps_ > 1)
    out += fmt::format("; then {:.3g} steps/s, {}K messages/s, {:.3g} virtual seconds/s",
                       static_cast<double>(steps_ - 1) / seconds(),
                       count_of(static_cast<double>(last_.heard - first_.heard) / seconds() / 1e3),
                       (last_.virtual_seconds - first_.virtual_seconds) / seconds());
  return out +
         fmt::format("; {} of memory, {} a node", bytes_text(bytes_), bytes_text(bytes_per_node_));
}

std::string simulation_speed::json() const {
  const auto rate = [&](double amount) { return steps_ > 1 ? amount / seconds() : 0.0; };
  const nlohmann::json out = {
      {"event", "wall_clock"},
      {"first_step_seconds", steps_ > 0 ? seconds_between(began_, first_.when) : 0.0},
      {"first_step_cpu_seconds", first_.cpu_seconds - cpu_before_},
      {"steps", steps_},
      {"cpu_seconds_per_step",
       steps_ > 1 ? (last_.cpu_seconds - first_.cpu_seconds) / static_cast<double>(steps_ - 1) : 0},
      {"messages_per_step",
       steps_ > 1 ? (last_.heard - first_.heard) / static_cast<std::uint64_t>(steps_ - 1) : 0},
      {"virtual_seconds_per_step",
       steps_ > 1
           ? (last_.virtual_seconds - first_.virtual_seconds) / static_cast<double>(steps_ - 1)
           : 0},
      {"steps_per_second", rate(static_cast<double>(steps_ - 1))},
      {"messages_per_second", rate(static_cast<double>(last_.heard - first_.heard))},
      {"virtual_seconds_per_second", rate(last_.virtual_seconds - first_.virtual_seconds)},
      {"peak_memory_bytes", bytes_},
      {"bytes_per_node", bytes_per_node_}};
  return out.dump();
}

} // namespace troupe::cli
