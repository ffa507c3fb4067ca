#include "ops/loss.hpp"

#include "ops/random.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <fstream>
#include <string>
#include <vector>

using namespace troupe;
using nlohmann::json;

namespace {

struct evaluated {
  double value = 0; // the mean, as PyTorch gives it
  std::vector<float> gradient;
};

double normaliser(const loss& l, const std::vector<float>& targets, std::int64_t n) {
  if (!std::holds_alternative<softmax_cross_entropy>(l)) return static_cast<double>(n);
  double out = 0;
  for (const float target : targets)
    out += normaliser_of(l, target, 0);
  return out;
}

evaluated run(const loss& l,
              const std::vector<float>& logits,
              const std::vector<float>& targets,
              std::int64_t n) {
  evaluated out;
  out.gradient.resize(logits.size());
  const double divisor = normaliser(l, targets, n);
  out.value = evaluate_loss(l, logits, targets, n, divisor, out.gradient).sum / divisor;
  return out;
}

loss loss_of(const json& c) {
  const std::string name = c["name"];
  if (name == "mse") return mean_squared_error{};
  if (name == "bce_logits") return binary_cross_entropy_logits{};
  return softmax_cross_entropy{.class_weights = c["weights"], .label_smoothing = c["smoothing"]};
}

struct sample {
  const char* name;
  loss kind;
  std::vector<float> logits, targets; // [3, 4]
};

std::vector<sample> samples() {
  random_stream draw({.seed = 31});
  std::vector<float> logits(12), rows(12);
  for (float& z : logits)
    z = draw.uniform(-2.0F, 2.0F);
  for (float& t : rows)
    t = draw.uniform();
  const std::vector<float> classes = {2, 0, 3};
  return {{"cross-entropy", softmax_cross_entropy{}, logits, classes},
          {"weighted and smoothed cross-entropy",
           softmax_cross_entropy{{0.5F, 2.0F, 1.0F, 0.25F}, 0.125F},
           logits,
           classes},
          {"mean squared error", mean_squared_error{}, logits, rows},
          {"binary cross-entropy", binary_cross_entropy_logits{}, logits, rows}};
}

} // namespace

TEST_CASE("losses and their gradients are PyTorch's") {
  std::ifstream file(TROUPE_TEST_DATA "/core_reference.json");
  const json reference = json::parse(file)["losses"];
  REQUIRE(reference.size() == 7);
  for (const json& c : reference) {
    INFO("case: ", c["name"].get<std::string>(), " ", c.value("smoothing", 0.0));
    const auto actual = run(loss_of(c), c["logits"], c["targets"], c["n"]);
    CHECK(actual.value == doctest::Approx(c["value"].get<double>()).epsilon(1e-6));
    const std::vector<double> expected = c["gradient"];
    REQUIRE(expected.size() == actual.gradient.size());
    for (std::size_t i = 0; i < expected.size(); ++i)
      CHECK(std::abs(actual.gradient[i] - expected[i]) <= 1e-7 + 1e-6 * std::abs(expected[i]));
  }
}

TEST_CASE("gradients of losses are the slopes that finite differences see") {
  constexpr float h = 1.0F / 256;
  for (const sample& s : samples()) {
    CAPTURE(s.name);
    const auto at = run(s.kind, s.logits, s.targets, 3);
    for (std::size_t i = 0; i < s.logits.size(); ++i) {
      auto low = s.logits, high = s.logits;
      low[i] -= h;
      high[i] += h;
      const double slope =
          (run(s.kind, high, s.targets, 3).value - run(s.kind, low, s.targets, 3).value) /
          (double{high[i]} - low[i]);
      CHECK(at.gradient[i] == doctest::Approx(slope).epsilon(1e-3));
    }
  }
}

TEST_CASE("the parts of a batch add up to the batch") {
  for (const sample& s : samples()) {
    CAPTURE(s.name);
    const double divisor = normaliser(s.kind, s.targets, 3);
    std::vector<float> whole(12);
    const double total = evaluate_loss(s.kind, s.logits, s.targets, 3, divisor, whole).sum;
    const std::span<const float> logits(s.logits), targets(s.targets);
    const std::size_t width = s.targets.size() / 3;
    std::vector<float> first(4), rest(8);
    const double parts =
        evaluate_loss(s.kind, logits.first(4), targets.first(width), 1, divisor, first).sum +
        evaluate_loss(s.kind, logits.subspan(4), targets.subspan(width), 2, divisor, rest).sum;
    CHECK(parts == doctest::Approx(total));
    first.insert(first.end(), rest.begin(), rest.end());
    CHECK(first == whole);
  }
}

TEST_CASE("a prediction is right where the largest output is the target's") {
  const std::vector<float> logits = {0.1F, 0.9F, 0.5F, 2.0F, 0.0F, -1.0F};
  CHECK(
      evaluate_loss(softmax_cross_entropy{}, logits, std::vector<float>{1, 2}, 2, 2, {}).correct ==
      1);
  const std::vector<float> rows = {0, 0, 1, 1, 0, 0};
  CHECK(evaluate_loss(mean_squared_error{}, logits, rows, 2, 2, {}).correct == 1);
  CHECK(evaluate_loss(binary_cross_entropy_logits{}, logits, rows, 2, 2, {}).correct == 1);
}
