#include "cli/top_frame.hpp"

#include "cli/figures_json.hpp"
#include "ops/files/count_text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cctype>

namespace troupe::cli {

namespace {

constexpr double silence_told = 5; // seconds
constexpr const char *red = "\x1b[31m", *bold = "\x1b[1m", *plain = "\x1b[0m";

struct row {
  std::string text;
  const char* look = nullptr; // none: as it is
};

struct table {
  row head;
  std::vector<row> rows;
};

const char* stage_text(run_view::stage s) {
  static constexpr const char* texts[] = {
      "has not begun", "running", "ended", "interrupted", "failed"};
  return texts[static_cast<std::size_t>(s)];
}

std::string state_text(const run_view& run, double silent) {
  std::string out = stage_text(run.now());
  if (!run.failure.empty()) out += ": " + run.failure;
  if (run.is_over()) return out;
  if (silent > silence_told) return out + ", silent for " + duration_text(silent);
  if (run.stalled() > silence_told) out += ", no step for " + duration_text(run.stalled());
  return out;
}

// Bytes without a number where there are none.
std::string amount(std::uint64_t bytes) {
  return bytes == 0 ? "-" : bytes_text(bytes);
}

row text_of(const node_figures& n) {
  const double since = std::chrono::duration<double>(n.since).count();
  const std::string state =
      fmt::format("{} {}", n.is_up ? "up for" : "missing for", duration_text(since));
  return {fmt::format("{:<6}{:<26}{:>6}{:>6}{:>10}",
                      n.node,
                      state,
                      n.actors,
                      n.lost,
                      n.process == 0 ? "-" : std::to_string(n.process)),
          n.is_up ? nullptr : red};
}

row text_of(const link_rate& l) {
  const auto& now = l.now;
  const std::string ends = fmt::format("{} -> {}", now.from, now.to);
  if (!now.stands)
    return {
        fmt::format("{:<9}{:>7}{:>45}{:>7}{:>11}", ends, "down", "", now.resent, now.reconnections),
        red};
  return {fmt::format("{:<9}{:>7.1f}{:>8}{:>9}{:>9}{:>10}{:>9}{:>7}{:>11}",
                      ends,
                      l.bytes_per_second / 1e6,
                      count_of(l.messages_per_second),
                      fmt::format("{:.2f} ms", static_cast<double>(now.round_trip_ns) / 1e6),
                      amount(now.waiting_bytes),
                      amount(now.in_flight_bytes),
                      amount(now.credit_bytes),
                      now.resent,
                      now.reconnections),
          nullptr};
}

table table_of(const std::vector<node_figures>& nodes) {
  table out{
      {fmt::format("{:<6}{:<26}{:>6}{:>6}{:>10}", "node", "state", "actors", "lost", "process"),
       bold},
      {}};
  for (const auto& n : nodes)
    out.rows.push_back(text_of(n));
  return out;
}

table table_of(const std::vector<link_rate>& links) {
  table out{{fmt::format("{:<9}{:>7}{:>8}{:>9}{:>9}{:>10}{:>9}{:>7}{:>11}",
                         "link",
                         "MB/s",
                         "msg/s",
                         "trip",
                         "queue",
                         "in flight",
                         "credit",
                         "resent",
                         "reconnects"),
             bold},
            {}};
  for (const auto& l : links)
    out.rows.push_back(text_of(l));
  return out;
}

// What does not fit is counted in the last of the lines.
void add(std::vector<row>& to, const table& t, const char* noun, std::size_t lines) {
  to.push_back({});
  to.push_back(t.head);
  const bool all = t.rows.size() <= lines;
  const std::size_t shown = all ? t.rows.size() : std::max<std::size_t>(lines, 1) - 1;
  to.insert(to.end(), t.rows.begin(), t.rows.begin() + static_cast<std::ptrdiff_t>(shown));
  if (all) return;
  const auto more = static_cast<std::int64_t>(t.rows.size() - shown);
  to.push_back({fmt::format("and {} more {}{}", count_text(more), noun, more == 1 ? "" : "s")});
}

std::vector<row> head_of(const run_view& run, const frame_options& o) {
  const bool well =
      run.now() != run_view::stage::failed && (run.is_over() || o.silent <= silence_told);
  std::vector<row> out{
      {fmt::format("{}: {}", o.folder, state_text(run, o.silent)), well ? bold : red}};
  if (run.now() == run_view::stage::waiting) return out;
  out.push_back({fmt::format("{} on {}, {}", run.model, run.data, run.wiring)});
  out.push_back(
      {o.width > 0 ? live_line(run.progress(), o.width, false) : plain_line(run.progress())});
  std::string last = fmt::format("step {}/{}", count_text(run.step), count_text(run.steps));
  if (!run.digest.empty()) last += "  digest " + run.digest;
  last += fmt::format("  restarts {}", run.restarts);
  out.push_back({last});
  if (!run.last_epoch.empty()) out.push_back({run.last_epoch});
  if (!run.last_event.empty()) out.push_back({"last: " + run.last_event});
  return out;
}

// Half of the lines for nodes, unless links need fewer.
void add_cluster(std::vector<row>& to, const run_view& run, int height) {
  const auto nodes = table_of(run.nodes()), links = table_of(run.links());
  std::size_t room = nodes.rows.size() + links.rows.size();
  if (height > 0) {
    const int taken = static_cast<int>(to.size()) + 4; // two headings below empty lines
    room = std::min(room, static_cast<std::size_t>(std::max(height - taken, 2)));
  }
  const std::size_t half = room / 2, of_links = std::min(links.rows.size(), room - half);
  const std::size_t of_nodes = std::min(nodes.rows.size(), room - of_links);
  add(to, nodes, "node", of_nodes);
  add(to, links, "link", room - of_nodes);
}

// Texts of files stay on their line, and cannot command the terminal.
std::string drawn(const row& r, const frame_options& o) {
  std::string out = r.text;
  std::replace_if(
      out.begin(), out.end(), [](unsigned char c) { return std::iscntrl(c) != 0; }, ' ');
  if (o.width > 0 && out.size() >= static_cast<std::size_t>(o.width))
    out.resize(static_cast<std::size_t>(o.width) - 1);
  return o.colour && r.look != nullptr ? r.look + out + plain : out;
}

} // namespace

std::vector<std::string> frame_of(const run_view& run, const frame_options& options) {
  auto rows = head_of(run, options);
  if (run.has_links()) add_cluster(rows, run, options.height);
  if (options.height > 0 && rows.size() > static_cast<std::size_t>(options.height))
    rows.resize(static_cast<std::size_t>(options.height));
  std::vector<std::string> out;
  for (const row& r : rows)
    out.push_back(drawn(r, options));
  return out;
}

std::string frame_json(const run_view& run, const frame_options& options) {
  using json = nlohmann::ordered_json;
  json nodes = json::array(), links = json::array();
  for (const node_figures& n : run.nodes())
    nodes.push_back(json_of(n));
  for (const link_rate& l : run.links()) {
    json one = json_of(l.now);
    one["bytes_per_second"] = l.bytes_per_second;
    one["messages_per_second"] = l.messages_per_second;
    links.push_back(std::move(one));
  }
  const json out = {{"run_folder", options.folder},
                    {"state", stage_text(run.now())},
                    {"failure", run.failure},
                    {"silent_seconds", options.silent},
                    {"stalled_seconds", run.stalled()},
                    {"model", run.model},
                    {"data", run.data},
                    {"wiring", run.wiring},
                    {"step", run.step},
                    {"steps", run.steps},
                    {"loss", run.loss},
                    {"accuracy", run.accuracy},
                    {"images_per_second", run.images_per_second()},
                    {"digest", run.digest},
                    {"restarts", run.restarts},
                    {"last_event", run.last_event},
                    {"nodes", nodes},
                    {"links", links}};
  return out.dump(-1, ' ', false, json::error_handler_t::replace);
}

} // namespace troupe::cli
