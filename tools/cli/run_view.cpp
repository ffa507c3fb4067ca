#include "cli/run_view.hpp"

#include "cli/figures_json.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <bit>
#include <tuple>
#include <utility>

namespace troupe::cli {

namespace {

using json = nlohmann::ordered_json;

constexpr std::size_t steps_kept = 50;
constexpr auto links_kept = std::chrono::seconds(5);

// Figures that fell are of another run.
std::uint64_t growth(std::uint64_t from, std::uint64_t to) {
  return to - std::min(from, to);
}

link_rate rate_of(const link_figures& before, const link_figures& now, double seconds) {
  if (seconds <= 0) return {.now = now};
  return {.now = now,
          .bytes_per_second = static_cast<double>(growth(before.bytes, now.bytes)) / seconds,
          .messages_per_second =
              static_cast<double>(growth(before.messages, now.messages)) / seconds,
          .resent = growth(before.resent, now.resent)};
}

} // namespace

void run_view::take(const std::string& text) {
  const json line = json::parse(text, nullptr, false);
  if (!line.is_object()) return;
  try {
    const std::string event = line.at("event");
    if (event == "start") begin(line);
    if (event == "step") on_step(line);
    if (event == "epoch") on_epoch(line);
    if (event == "links") on_links(line);
    if (event == "node") last_event = line.at("text");
    if (event == "fault") {
      ++restarts;
      last_event = fmt::format("{} died after {} steps: {}",
                               line.at("who").get<std::string>(),
                               line.at("step").get<std::int64_t>(),
                               line.at("reason").get<std::string>());
    }
    if (event == "end" || event == "failed") end(line);
  } catch (const json::exception&) { // another version's, or no such file
  }
}

void run_view::begin(const json& line) {
  model = line.at("model");
  data = line.at("data");
  wiring = line.at("wiring");
  batch = line.at("batch");
  steps = line.at("steps");
  steps_per_epoch = line.at("train_images").get<std::int64_t>() / std::max<std::int64_t>(batch, 1);
  stage_ = stage::running;
  failure.clear();
  last_event.clear();
  restarts = 0;
}

void run_view::on_step(const json& line) {
  step = line.at("step");
  stepped_ = true;
  seconds = line.at("seconds");
  digest = line.at("digest");
  const double share = 1 / static_cast<double>(std::min<std::int64_t>(++steps_seen_, steps_kept));
  loss += share * (line.at("loss").get<double>() - loss);
  accuracy += share * (line.at("accuracy").get<double>() - accuracy);
  if (!last_steps_.empty() && seconds < last_steps_.back().first) last_steps_.clear();
  last_steps_.emplace_back(seconds, step);
  if (last_steps_.size() > steps_kept) last_steps_.pop_front();
}

void run_view::on_epoch(const json& line) {
  last_epoch = fmt::format("epoch {}: loss {:.3f}  acc {:.1f} %",
                           line.at("epoch").get<std::int64_t>(),
                           line.at("train_loss").get<double>(),
                           100 * line.at("train_accuracy").get<double>());
  if (const double test = line.at("test_accuracy"); test > 0)
    last_epoch += fmt::format("  test acc {:.1f} %", 100 * test);
}

void run_view::on_links(const json& line) {
  links_event e = figures_of(line);
  if (!links_.empty() && e.at < links_.back().at) links_.clear(); // of another run
  if (std::exchange(stepped_, false) || e.at < stepped_at_) stepped_at_ = e.at;
  links_.push_back(std::move(e));
  while (links_.size() > 2 && links_.back().at - links_[1].at >= links_kept)
    links_.pop_front();
}

void run_view::end(const json& line) {
  stage_ = stage::failed;
  if (line.at("event") == "failed") {
    failure = line.at("why");
    return;
  }
  stage_ = line.at("interrupted").get<bool>() ? stage::interrupted : stage::ended;
  if (line.at("steps") < step) return; // an earlier run of the folder
  step = line.at("steps");
  digest = line.at("parameter_digest");
}

double run_view::images_per_second() const {
  if (last_steps_.size() < 2) return 0;
  const auto& [from, first] = last_steps_.front();
  const auto& [to, last] = last_steps_.back();
  return to > from ? static_cast<double>((last - first) * batch) / (to - from) : 0;
}

double run_view::stalled() const {
  if (links_.empty()) return 0;
  return std::chrono::duration<double>(links_.back().at - stepped_at_).count();
}

progress_state run_view::progress() const {
  const std::int64_t length = std::max<std::int64_t>(steps_per_epoch, 1);
  const std::int64_t before = std::max<std::int64_t>(step - 1, 0);
  progress_state s;
  s.epoch = before / length + 1;
  s.epochs = (steps + length - 1) / length;
  s.step = step == 0 ? 0 : before % length + 1;
  s.steps = std::min(length, steps - (s.epoch - 1) * length);
  s.steps_left = steps - step;
  s.loss = loss;
  s.accuracy = accuracy;
  s.images_per_second = images_per_second();
  if (s.images_per_second > 0)
    s.seconds_per_step = static_cast<double>(batch) / s.images_per_second;
  return s;
}

std::vector<node_figures> run_view::nodes() const {
  if (links_.empty()) return {};
  auto out = links_.back().nodes;
  std::stable_partition(out.begin(), out.end(), [](const auto& n) { return !n.is_up; });
  return out;
}

std::vector<link_rate> run_view::links() const {
  std::vector<link_rate> out;
  if (links_.empty()) return out;
  const auto &first = links_.front(), &last = links_.back();
  const double passed = std::chrono::duration<double>(last.at - first.at).count();
  for (const link_figures& now : last.links) {
    const auto before = std::find_if(first.links.begin(), first.links.end(), [&](const auto& l) {
      return l.from == now.from && l.to == now.to;
    });
    out.push_back(rate_of(before == first.links.end() ? link_figures{} : *before, now, passed));
  }
  std::stable_sort(out.begin(), out.end(), is_worse);
  return out;
}

// Coarse, so that links do not change places all the time.
bool is_worse(const link_rate& a, const link_rate& b) {
  const auto rank = [](const link_rate& l) {
    return std::tuple(l.now.stands ? 0 : 1,
                      l.now.waiting_bytes / 1'000'000,
                      l.resent,
                      std::bit_width(l.now.round_trip_ns / 4'000'000),
                      std::bit_width(static_cast<std::uint64_t>(l.bytes_per_second / 1e6)));
  };
  return rank(a) > rank(b);
}

} // namespace troupe::cli
