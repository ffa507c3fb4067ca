#include "troupe/shard_memory.hpp"

#include "troupe/price.hpp"
#include "troupe/wiring_picture.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe {

namespace {

constexpr std::size_t lines_max = 16;

std::string amount(const shard_memory& m) {
  return fmt::format("{} microbatch{} in flight, {}",
                     m.in_flight,
                     m.in_flight == 1 ? "" : "es",
                     detail::size_text(static_cast<std::int64_t>(m.program_bytes)));
}

std::string line(const std::string& who, const memory_comparison& c) {
  return fmt::format("{:<18}{}: {}\n",
                     who,
                     amount(c.measured),
                     c.measured == c.predicted ? "as predicted"
                                               : "predicted " + amount(c.predicted));
}

// The most of any of them, and all their bytes.
memory_comparison together(const std::vector<memory_comparison>& all) {
  memory_comparison out;
  const auto add = [](shard_memory& to, const shard_memory& m) {
    to.in_flight = std::max(to.in_flight, m.in_flight);
    to.program_bytes += m.program_bytes;
  };
  for (const auto& c : all) {
    add(out.measured, c.measured);
    add(out.predicted, c.predicted);
  }
  return out;
}

} // namespace

void note(std::vector<shard_memory>& all, const protocol::memory_used& m) {
  const auto at = std::lower_bound(
      all.begin(), all.end(), m.who, [](const shard_memory& s, const address& who) {
        return s.where < who;
      });
  if (at == all.end() || at->where != m.who) {
    all.insert(at, {m.who, m.in_flight, m.program_bytes});
    return;
  }
  at->in_flight = std::max(at->in_flight, m.in_flight);
  at->program_bytes = std::max(at->program_bytes, m.program_bytes);
}

std::vector<memory_comparison> compared(const std::vector<shard_memory>& measured,
                                        const wiring_price& price) {
  std::vector<memory_comparison> out;
  for (const auto& m : measured)
    for (const auto& s : price.shards)
      if (s.where == m.where) out.push_back({m, {s.where, s.in_flight, s.program_bytes}});
  return out;
}

std::string text(const std::vector<memory_comparison>& all) {
  if (all.size() > lines_max)
    return line(fmt::format("{} layer shards", all.size()), together(all));
  std::string out;
  for (const auto& c : all)
    out += line(c.measured.where.text(), c);
  return out;
}

} // namespace troupe
