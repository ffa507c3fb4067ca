// What was measured, and how it is shown.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace troupe::cli {

// Who computed: ourselves through actors, our kernels alone (one thread, no actors), or a peer.
enum class contender { troupe, kernels, peer_clean, peer_best, peer_ddp_clean, peer_ddp_best };

struct bench_case {
  std::string model;
  std::int64_t batch = 128;
  int replicas = 1;
  contender who = contender::troupe;

  friend auto operator<=>(const bench_case&, const bench_case&) = default;
};

using bench_samples = std::map<bench_case, std::vector<double>>; // images/s, one a round

double median(std::vector<double> samples); // 0 without samples

std::string contender_text(contender who);
std::string bench_table(const bench_samples& samples);
std::string bench_json(const bench_case& which, const std::vector<double>& samples);

// One row per ratio that has a goal and was measured: "cnn 128: one replica / PyTorch as users run
// it   2.71x   goal 2.60x   reached".
std::string ratio_table(const bench_samples& samples);

} // namespace troupe::cli
