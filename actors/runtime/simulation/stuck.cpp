#include "actors/runtime/simulation/stuck.hpp"

#include <fmt/format.h>

namespace troupe::simulation {

namespace {

constexpr std::size_t lines_told_max = 40;

std::string indented(const std::string& lines) {
  std::string out;
  for (const char c : lines) {
    out += c;
    if (c == '\n') out += "  ";
  }
  return out;
}

} // namespace

error_text stuck_text(const simulation_model& model,
                      const event_queue& events,
                      const network& net,
                      const wait_graph& waits) {
  error_text out;
  out.what = events.empty() ? "nobody can go on: nothing is left to happen"
                            : fmt::format("no end after {} s of virtual time",
                                          std::chrono::duration<double>(model.time_max).count());
  out.where = fmt::format("{:.3f} ms, seed {}",
                          std::chrono::duration<double, std::milli>(events.now()).count(),
                          model.seed);
  if (const auto cuts = net.cuts_text(); !cuts.empty()) out.why += "cut links: " + cuts + "\n  ";
  for (const auto& n : waits.nodes)
    out.why += fmt::format(
        "node {} {}\n  ", n.node, n.state == node_state::paused ? "is paused" : "is not there");
  out.why += indented(text(waits, lines_told_max));
  out.help = "the same seed and options stop here again";
  return out;
}

} // namespace troupe::simulation
