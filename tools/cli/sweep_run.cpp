#include "cli/sweep_run.hpp"

#include "cli/mistakes.hpp"
#include "troupe/units.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

namespace troupe::cli {

namespace {

// What grows with the cluster or the job is not kept of every row.
void lighten(run_result& r) {
  r.parameters.clear();
  r.layout = {};
  r.memory.clear();
  r.credit.clear();
  auto& report = *r.simulation;
  report.actors.clear();
  report.nodes.clear();
  report.links.clear();
  report.commits.clear();
}

sweep_row
row_at(const sweep& s, const sweep_point& point, const setting_values& values, data_shelf& data) {
  sweep_row out{.point = point};
  try {
    out.values = values_at(s, point, values);
    const auto plan = simulation_plan_of(out.values, data);
    const auto& cluster = plan.options.cluster;
    out.nodes = cluster.nodes > 0 ? cluster.nodes : plan.wired.nodes();
    out.figures = play(plan);
    lighten(out.figures.result);
  } catch (const mistakes& e) {
    out.wrong = e.all();
  } catch (const error& e) {
    out.wrong = {e.text()};
  } catch (const std::exception& e) { // of memory, most likely
    out.wrong = {{.what = e.what(), .where = "", .why = ""}};
  }
  return out;
}

// Rows of simulations that threads take one after the other.
class playing {
public:
  playing(const sweep& s, const setting_values& values)
      : sweep_(s), values_(values), points_(points_of(s)), rows_(points_.size()) {}

  void work() {
    for (auto i = next_++; i < points_.size(); i = next_++) {
      auto row = row_at(sweep_, points_[i], values_, data_);
      const std::lock_guard lock(mutex_);
      rows_[i] = std::move(row);
      changed_.notify_all();
    }
  }

  sweep_row take(std::size_t i) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return rows_[i].has_value(); });
    return *std::exchange(rows_[i], std::nullopt);
  }

  [[nodiscard]] std::size_t size() const { return points_.size(); }

private:
  const sweep& sweep_;
  const setting_values& values_;
  const std::vector<sweep_point> points_;
  data_shelf data_;
  std::atomic<std::size_t> next_{0};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::optional<sweep_row>> rows_;
};

bool counts_parts(const sweep_axis& axis) {
  return axis.setting == "nodes" || axis.setting == "replicas" || axis.setting == "stages";
}

// Against the first row of its curve that was possible.
class efficiencies {
public:
  explicit efficiencies(const sweep& s) : sweep_(s) {}

  void note(sweep_row& row) {
    const auto* axis = sweep_.curve_axis();
    if (axis == nullptr || !counts_parts(*axis) || !row.wrong.empty()) return;
    const double rate = row.figures.result.images_per_second / place_of(sweep_, row);
    const double first = first_.try_emplace(curve_of(sweep_, row), rate).first->second;
    if (first > 0) row.efficiency = rate / first;
  }

private:
  const sweep& sweep_;
  std::map<std::string, double> first_; // images a second and part
};

} // namespace

std::vector<sweep_row> play(const sweep& s,
                            const setting_values& values,
                            const std::function<void(const sweep_row&)>& tell) {
  playing all(s, values);
  const auto cores = std::max(1U, std::thread::hardware_concurrency());
  const auto wanted = s.at_once > 0 ? static_cast<std::size_t>(s.at_once) : cores;
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i < std::min(wanted, all.size()); ++i)
    threads.emplace_back([&] { all.work(); });
  efficiencies compared(s);
  std::vector<sweep_row> out;
  for (std::size_t i = 0; i < all.size(); ++i) {
    out.push_back(all.take(i));
    compared.note(out.back());
    tell(out.back());
  }
  return out;
}

std::string curve_of(const sweep& s, const sweep_row& row) {
  std::string out = variant_name(s, row.point);
  for (std::size_t i = 0; i < s.axes.size(); ++i)
    if (&s.axes[i] != s.curve_axis())
      out += (out.empty() ? "" : ", ") + s.axes[i].setting + " " + row.point.values[i];
  return out;
}

double place_of(const sweep& s, const sweep_row& row) {
  double out = 0;
  for (std::size_t i = 0; i < s.axes.size(); ++i)
    if (&s.axes[i] == s.curve_axis()) parse_real(row.point.values[i], out);
  return out;
}

} // namespace troupe::cli
