// What the lines of a run folder say about its job, as it is now: the same of one that runs, of one
// that has ended, and of one that was resumed.
#pragma once

#include "cli/progress.hpp"
#include "troupe/cluster.hpp"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

namespace troupe::cli {

// A link, and what went over it in the last seconds.
struct link_rate {
  link_figures now;
  double bytes_per_second = 0, messages_per_second = 0;
  std::uint64_t resent = 0; // in these seconds
};

class run_view {
public:
  enum class stage : std::uint8_t { waiting, running, ended, interrupted, failed };

  // A line of metrics.jsonl or events.jsonl. What is no such line says nothing.
  void take(const std::string& line);

  [[nodiscard]] stage now() const { return stage_; }

  [[nodiscard]] bool is_over() const { return stage_ > stage::running; }

  std::string model, data, wiring, digest, failure;
  std::int64_t batch = 1, steps = 0, step = 0, steps_per_epoch = 0, restarts = 0;
  std::string last_epoch; // a line of it; "" before the first has ended
  std::string last_event; // of the last death, or of nodes
  double seconds = 0, loss = 0, accuracy = 0;

  [[nodiscard]] double images_per_second() const; // over the last steps
  [[nodiscard]] progress_state progress() const;

  // Seconds without a step, as far as links were told of meanwhile.
  [[nodiscard]] double stalled() const;

  [[nodiscard]] bool has_links() const { return !links_.empty(); }

  [[nodiscard]] std::vector<node_figures> nodes() const; // missing ones first
  [[nodiscard]] std::vector<link_rate> links() const;    // the worst first

private:
  void begin(const nlohmann::ordered_json& line);
  void on_step(const nlohmann::ordered_json& line);
  void on_epoch(const nlohmann::ordered_json& line);
  void on_links(const nlohmann::ordered_json& line);
  void end(const nlohmann::ordered_json& line);

  stage stage_ = stage::waiting;
  std::int64_t steps_seen_ = 0;
  std::deque<std::pair<double, std::int64_t>> last_steps_; // seconds, step
  std::deque<links_event> links_;                          // of the last seconds
  std::chrono::nanoseconds stepped_at_{0};                 // on the clock of links
  bool stepped_ = false;                                   // since links were told of last
};

// Broken ones first, then those with a queue, those that sent again, slow ones, busy ones.
bool is_worse(const link_rate& a, const link_rate& b);

} // namespace troupe::cli
