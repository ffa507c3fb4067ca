// A price as tables: one line per role, then what they say to each other.
#include "ops/files/count_text.hpp"
#include "troupe/price.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace troupe {

namespace {

constexpr std::size_t edges_max = 48; // told one by one; of more, sums

std::string bytes_of(std::int64_t bytes) {
  const auto size = static_cast<double>(bytes);
  if (bytes == 0) return "0";
  if (size < 1e6) return fmt::format("{:.1f} kB", size / 1e3);
  if (size < 1e9) return fmt::format("{:.1f} MB", size / 1e6);
  return fmt::format("{:.2f} GB", size / 1e9);
}

using row = std::vector<std::string>;

// The first column to the left, the others to the right.
std::string table(const std::vector<row>& rows) {
  std::vector<std::size_t> widths(rows.front().size(), 0);
  for (const auto& r : rows)
    for (std::size_t c = 0; c < r.size(); ++c)
      widths[c] = std::max(widths[c], r[c].size());
  std::string out;
  for (const auto& r : rows) {
    std::string line = fmt::format("{:<{}}", r[0], widths[0]);
    for (std::size_t c = 1; c < r.size(); ++c)
      line += fmt::format("  {:>{}}", r[c], widths[c]);
    out += "  " + line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return out;
}

std::string shards_text(const wiring_price& p) {
  const bool timed = p.step_seconds > 0;
  std::vector<row> rows = {
      {"layer shard", "GFLOP", "parameters", "in flight", "activations", "kept for others"}};
  if (timed) rows[0].emplace_back("busy");
  for (const auto& s : p.shards) {
    rows.push_back({s.where.text(),
                    fmt::format("{:.3f}", static_cast<double>(s.flops) / 1e9),
                    count_text(s.parameters),
                    std::to_string(s.in_flight),
                    bytes_of(static_cast<std::int64_t>(s.program_bytes)),
                    bytes_of(s.boundary_bytes)});
    if (timed) rows.back().push_back(fmt::format("{:.2f} ms", s.busy_seconds * 1e3));
  }
  return table(rows);
}

std::string holders_text(const wiring_price& p) {
  std::vector<row> rows = {{"parameter holder", "blocks", "parameters", "optimizer"}};
  for (const auto& h : p.holders)
    rows.push_back({h.where.text(),
                    std::to_string(h.blocks),
                    bytes_of(h.parameter_bytes),
                    bytes_of(h.optimizer_bytes)});
  auto out = table(rows) + "\n";
  rows = {{"gradient aggregator", "gradients that arrive"}};
  for (const auto& a : p.aggregators)
    rows.push_back({a.where.text(), bytes_of(a.gradient_bytes)});
  return out + table(rows);
}

std::string what_of(const edge_price& e) {
  return e.every == 1 ? e.what : fmt::format("{}, each {} steps", e.what, e.every);
}

std::string edges_text(const wiring_price& p) {
  std::vector<row> rows = {{"between roles", "what", "messages", "bytes"}};
  std::vector<edge_price> sums; // by what
  std::int64_t all = 0;
  for (const auto& e : p.edges) {
    if (p.edges.size() <= edges_max)
      rows.push_back({fmt::format("{} -> {}", e.from.text(), e.to.text()),
                      what_of(e),
                      count_text(e.messages),
                      bytes_of(e.bytes)});
    if (sums.empty() || sums.back().what != what_of(e)) sums.push_back({.what = what_of(e)});
    sums.back().messages += e.messages;
    sums.back().bytes += e.bytes;
    all += e.bytes / e.every;
  }
  for (const auto& s : sums)
    if (p.edges.size() > edges_max)
      rows.push_back({"all", s.what, count_text(s.messages), bytes_of(s.bytes)});
  rows.push_back({"together", "", "", bytes_of(all)});
  return table(rows);
}

} // namespace

std::string text(const wiring_price& p) {
  std::string out =
      fmt::format("cost of a step\n{}\n{}\n{}\n", shards_text(p), holders_text(p), edges_text(p));
  const bool timed = p.step_seconds > 0;
  out += fmt::format("  bubble {:.1f} % with a core for each layer shard, by {}\n",
                     100 * p.bubble_fraction,
                     timed ? "measured costs" : "counted FLOPs");
  if (timed)
    out += fmt::format("  a step takes the layer shards {:.2f} ms with {} thread{}\n",
                       p.step_seconds * 1e3,
                       p.threads,
                       p.threads == 1 ? "" : "s");
  return out;
}

} // namespace troupe
