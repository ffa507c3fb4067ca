#include "cli/progress.hpp"

#include "ops/digest.hpp"
#include "ops/files/count_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace troupe::cli {

namespace {

constexpr int bar_columns_max = 30, bar_columns_min = 6;

std::string percent(double part) {
  return fmt::format("{:.1f} %", part * 100);
}

std::string bar(double part, int columns, bool colour) {
  const int full = std::clamp(static_cast<int>(std::lround(part * columns)), 0, columns);
  const std::string done(static_cast<std::size_t>(full), '#');
  const std::string rest(static_cast<std::size_t>(columns - full), '-');
  if (!colour) return "[" + done + rest + "]";
  return "[\x1b[32m" + done + "\x1b[2m" + rest + "\x1b[0m]";
}

std::string counter(const progress_state& s) {
  const std::string all = std::to_string(s.steps);
  return fmt::format("{:>{}}/{}", s.step, all.size(), all);
}

std::string figures(const progress_state& s) {
  std::string out = fmt::format("  loss {:.3f}  acc {}", s.loss, percent(s.accuracy));
  if (s.images_per_second > 0) out += fmt::format("  {} img/s", count_of(s.images_per_second));
  if (s.seconds_per_step > 0)
    out += fmt::format("  {} left",
                       duration_text(s.seconds_per_step * static_cast<double>(s.steps_left)));
  return out;
}

std::string staleness_text(const staleness_count& s) {
  return fmt::format("mean {:.1f}, most {}; lead at most {}", s.mean(), s.most, s.lead);
}

std::string shares_overtaken(std::uint64_t count) {
  return fmt::format("{} share{} of a layer shard that others were faster with",
                     count_text(static_cast<std::int64_t>(count)),
                     count == 1 ? "" : "s");
}

} // namespace

std::string live_line(const progress_state& s, int width, bool colour) {
  const std::string head = fmt::format("epoch {}/{}", s.epoch, s.epochs);
  std::string tail = fmt::format("  {}{}", counter(s), figures(s));
  const int room = width - 1 - static_cast<int>(head.size() + tail.size()) - 3;
  const double part = s.steps > 0 ? static_cast<double>(s.step) / static_cast<double>(s.steps) : 0;
  if (room >= bar_columns_min)
    return head + " " + bar(part, std::min(room, bar_columns_max), colour) + tail;
  return (head + tail).substr(0, static_cast<std::size_t>(std::max(width - 1, 0)));
}

std::string plain_line(const progress_state& s) {
  return fmt::format("epoch {}/{}  {}{}", s.epoch, s.epochs, counter(s), figures(s));
}

std::string epoch_line(const epoch_event& e, std::int64_t epochs, bool tested, bool validated) {
  std::string out = fmt::format(
      "epoch {}/{}  loss {:.3f}  acc {}", e.epoch, epochs, e.train_loss, percent(e.train_accuracy));
  if (validated)
    out += fmt::format(
        "  validation {:.3f}  acc {}", e.validation_loss, percent(e.validation_accuracy));
  if (tested) out += fmt::format("  test {:.3f}  acc {}", e.test_loss, percent(e.test_accuracy));
  return out + fmt::format("  {} img/s  digest {}",
                           count_of(e.images_per_second),
                           digest_text(e.digest).substr(0, 8));
}

std::string fault_line(const fault_event& e) {
  return fmt::format("  ! {} died after {} steps: {}; restarted in {:.2f} ms as incarnation {}",
                     e.who.text(),
                     e.step,
                     e.reason,
                     e.recovery_ms,
                     e.now);
}

std::string rollback_line(const rollback_event& e) {
  return fmt::format("  ! after {} steps {}; back to step {}, {}",
                     e.step,
                     e.reason,
                     e.to,
                     e.checkpoint.empty() ? "where the run began" : e.checkpoint);
}

std::string node_line(const node_event& e) {
  return (e.what == node_event::kind::up ? "  " : "  ! ") + e.text;
}

std::string stalled_lines(const stalled_event& e) {
  constexpr std::size_t waits_told = 8;
  std::string out = fmt::format("  ! no step for {:.1f} s: {}", e.seconds, e.text);
  const auto verdict = verdict_of(e.waits);
  if (verdict.suspects.empty()) return out;
  const auto& path = verdict.suspects.front().path;
  for (std::size_t i = 0; i < std::min(path.size(), waits_told); ++i)
    out += fmt::format("\n      {} waits for {}", path[i].who.text(), text(path[i].what));
  return out;
}

std::string injection_line(const injection_event& e) {
  return fmt::format("  ! {} after {} steps", text(e), e.step);
}

// Of very many the last ones.
std::string table(const std::vector<fault_record>& faults) {
  if (faults.empty()) return {};
  constexpr std::size_t told_max = 20;
  const auto time = [](const std::optional<double>& ms) {
    return ms ? fmt::format("{:.3g} ms", *ms) : std::string("-");
  };
  const bool paid = std::any_of(faults.begin(), faults.end(), [](const fault_record& r) {
    return r.cost.recomputed_ms > 0 || r.cost.resent_bytes > 0;
  });
  const auto skipped = faults.size() - std::min(faults.size(), told_max);
  std::size_t width = 32;
  for (auto i = skipped; i < faults.size(); ++i)
    width = std::max(width, text(faults[i]).size());
  auto out = fmt::format("{:<{}} {:>11} {:>10} {:>10} {:>10}",
                         "injected",
                         width,
                         "after steps",
                         "detection",
                         "recovery",
                         "next step");
  out += paid ? fmt::format(" {:>10} {:>10}\n", "recomputed", "resent") : "\n";
  if (skipped > 0) out += fmt::format("{} more, and then\n", skipped);
  for (auto i = skipped; i < faults.size(); ++i) {
    const auto& r = faults[i];
    out += fmt::format("{:<{}} {:>11} {:>10} {:>10} {:>10}",
                       text(r),
                       width,
                       count_text(r.step),
                       time(r.detection_ms),
                       time(r.recovery_ms),
                       time(r.next_step_ms));
    out += paid ? fmt::format(" {:>10} {:>10}\n",
                              time(r.cost.recomputed_ms),
                              bytes_text(r.cost.resent_bytes))
                : "\n";
  }
  return out;
}

std::string saved_line(const saved_event& e) {
  if (!e.problem.empty())
    return fmt::format("  ! not saved: {} (step {}): {}", e.path, count_text(e.step), e.problem);
  return fmt::format("  saved {} (step {})", e.path, count_text(e.step));
}

std::string result_table(const run_result& r) {
  std::string out = fmt::format("{:<8}{:>10}{:>12}\n", "", "loss", "accuracy");
  out += fmt::format("{:<8}{:>10.4f}{:>12}\n", "train", r.train_loss, percent(r.train_accuracy));
  if (r.tested)
    out += fmt::format("{:<8}{:>10.4f}{:>12}\n",
                       "test",
                       r.test_loss,
                       fmt::format("{:.2f} %", r.test_accuracy * 100));
  const auto row = [&](const char* name, const std::string& value) {
    out += fmt::format("{:<18}{}\n", name, value);
  };
  out += "\n";
  row("steps", count_text(r.steps));
  row("images/s", count_of(r.images_per_second));
  row("training time", duration_text(r.seconds));
  row("peak memory", bytes_text(r.peak_memory_bytes));
  row("restarts", count_text(r.restarts));
  if (r.rollbacks > 0) row("rollbacks", count_text(r.rollbacks));
  if (!r.staleness.empty()) row("staleness", staleness_text(r.staleness));
  if (!r.shares.empty()) row("shares", text(r.shares) + " at the end");
  if (r.overtaken > 0) row("overtaken", shares_overtaken(r.overtaken));
  row("parameter digest", digest_text(r.parameter_digest));
  return out;
}

std::string duration_text(double seconds) {
  const auto all = static_cast<std::int64_t>(std::llround(std::max(seconds, 0.0)));
  if (all < 60) return fmt::format("{} s", all);
  if (all < 3600) return fmt::format("{} min {:02} s", all / 60, all % 60);
  return fmt::format("{} h {:02} min", all / 3600, all % 3600 / 60);
}

std::string bytes_text(std::uint64_t bytes) {
  const auto size = static_cast<double>(bytes);
  if (size < 1e6) return fmt::format("{:.1f} kB", size / 1e3);
  if (size < 1e9) return fmt::format("{:.1f} MB", size / 1e6);
  return fmt::format("{:.2f} GB", size / 1e9);
}

std::string count_of(double number) {
  return count_text(std::llround(number));
}

} // namespace troupe::cli
