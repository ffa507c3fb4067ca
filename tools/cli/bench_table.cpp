#include "cli/bench_table.hpp"

#include "cli/progress.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace troupe::cli {

namespace {

double of(const bench_samples& all, const bench_case& which) {
  const auto at = all.find(which);
  return at == all.end() ? 0 : median(at->second);
}

struct goal {
  const char* model;
  std::int64_t batch;
  double clean, best, ddp; // 0: none
};

constexpr double two_replicas_goal = 1.9;
constexpr double not_kernel_goal = 0.05;
constexpr goal goals[] = {{"lenet", 128, 1.8, 1.3, 1.8},
                          {"cnn", 128, 2.6, 1.9, 2.5},
                          {"resnet20", 128, 1.9, 1.2, 1.5},
                          {"lenet", 32, 0, 0, 2.4},
                          {"cnn", 32, 0, 0, 5},
                          {"resnet20", 32, 0, 0, 1.7}};

goal goal_of(const std::string& model, std::int64_t batch) {
  for (const goal& g : goals)
    if (model == g.model && batch == g.batch) return g;
  return {"", 0, 0, 0, 0};
}

std::string
ratio_row(const bench_case& c, const char* what, double ours, double theirs, double aim) {
  if (ours <= 0 || theirs <= 0) return "";
  const double ratio = ours / theirs;
  std::string out = fmt::format("{:<9}{:>5}  {:<38}{:>6.2f}x", c.model, c.batch, what, ratio);
  if (aim > 0) out += fmt::format("   goal {:.2f}x   {}", aim, ratio >= aim ? "reached" : "missed");
  return out + "\n";
}

} // namespace

double median(std::vector<double> samples) {
  if (samples.empty()) return 0;
  std::sort(samples.begin(), samples.end());
  const std::size_t half = samples.size() / 2;
  return samples.size() % 2 == 1 ? samples[half] : (samples[half - 1] + samples[half]) / 2;
}

std::string contender_text(contender who) {
  switch (who) {
  case contender::troupe:
    return "troupe";
  case contender::kernels:
    return "kernels alone";
  case contender::peer_clean:
    return "PyTorch as users run it";
  case contender::peer_best:
    return "PyTorch at its best";
  case contender::peer_ddp_clean:
    return "PyTorch DDP as users run it";
  case contender::peer_ddp_best:
    return "PyTorch DDP at its best";
  }
  return "";
}

std::string bench_table(const bench_samples& samples) {
  std::string out = fmt::format("{:<9}{:>5}{:>9}  {:<28}{:>10}{:>10}{:>10}\n",
                                "model",
                                "batch",
                                "replicas",
                                "",
                                "images/s",
                                "lowest",
                                "highest");
  for (const auto& [c, rates] : samples) {
    if (rates.empty()) continue;
    const auto [low, high] = std::minmax_element(rates.begin(), rates.end());
    out += fmt::format("{:<9}{:>5}{:>9}  {:<28}{:>10}{:>10}{:>10}\n",
                       c.model,
                       c.batch,
                       c.replicas,
                       contender_text(c.who),
                       count_of(median(rates)),
                       count_of(*low),
                       count_of(*high));
  }
  return out;
}

std::string bench_json(const bench_case& which, const std::vector<double>& samples) {
  return nlohmann::ordered_json({{"event", "measurement"},
                                 {"who", contender_text(which.who)},
                                 {"model", which.model},
                                 {"batch", which.batch},
                                 {"replicas", which.replicas},
                                 {"images_per_second", median(samples)},
                                 {"samples", samples}})
      .dump();
}

std::string ratio_table(const bench_samples& samples) {
  std::string out;
  for (const auto& [c, rates] : samples) {
    if (c.who != contender::troupe) continue;
    const goal g = goal_of(c.model, c.batch);
    const auto other = [&](contender who, int replicas) {
      return of(samples, {c.model, c.batch, replicas, who});
    };
    const double ours = median(rates);
    if (c.replicas == 1) {
      out += ratio_row(c,
                       "one replica / PyTorch as users run it",
                       ours,
                       other(contender::peer_clean, 1),
                       g.clean);
      out += ratio_row(
          c, "one replica / PyTorch at its best", ours, other(contender::peer_best, 1), g.best);
      if (const double kernels = other(contender::kernels, 1); kernels > 0 && ours > 0) {
        const double rest = std::max(1 - ours / kernels, 0.0);
        const bool counts = c.model == "cnn" && c.batch == 128;
        out += fmt::format("{:<9}{:>5}  {:<38}{:>6.1f} %",
                           c.model,
                           c.batch,
                           "a step's time outside of kernels",
                           rest * 100);
        if (counts)
          out += fmt::format("  goal {:.0f} %      {}",
                             not_kernel_goal * 100,
                             rest <= not_kernel_goal ? "reached" : "missed");
        out += "\n";
      }
    }
    if (c.replicas == 2) {
      out += ratio_row(c,
                       "two replicas / one",
                       ours,
                       other(contender::troupe, 1),
                       c.batch == 128 ? two_replicas_goal : 0);
      out += ratio_row(
          c,
          "two replicas / PyTorch DDP, its better",
          ours,
          std::max(other(contender::peer_ddp_clean, 2), other(contender::peer_ddp_best, 2)),
          g.ddp);
    }
  }
  return out;
}

} // namespace troupe::cli
