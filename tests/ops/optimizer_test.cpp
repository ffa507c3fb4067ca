#include "ops/optimizer.hpp"

#include "ops/random.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <array>
#include <cmath>
#include <fstream>
#include <string>
#include <vector>

using namespace troupe;
using nlohmann::json;

namespace {

// A parameter range with its state, as a holder keeps it.
struct held_range {
  std::vector<float> parameters;
  std::array<std::vector<float>, 2> state;

  explicit held_range(std::vector<float> start)
      : parameters(std::move(start)),
        state{std::vector<float>(parameters.size()), std::vector<float>(parameters.size())} {}

  // Updates [first, last) of every span by itself.
  void step(const optimizer& o,
            float rate,
            std::int64_t number,
            std::span<const float> gradient,
            const std::vector<std::size_t>& cuts = {}) {
    std::vector<float> next(parameters.size());
    std::size_t first = 0;
    const auto range = [&](std::size_t last) {
      const std::size_t n = last - first;
      std::vector<float*> slot;
      for (int k = 0; k < slots(o); ++k)
        slot.push_back(state[static_cast<std::size_t>(k)].data() + first);
      update(o,
             rate,
             number,
             std::span<const float>(parameters).subspan(first, n),
             gradient.subspan(first, n),
             std::span<float>(next).subspan(first, n),
             slot);
      first = last;
    };
    for (const std::size_t cut : cuts)
      range(cut);
    range(parameters.size());
    parameters = next;
  }
};

template <class Adam>
Adam adam_of(const json& options, Adam out) {
  if (options.contains("betas")) {
    out.beta1 = options["betas"][0];
    out.beta2 = options["betas"][1];
  }
  out.epsilon = options.value("eps", out.epsilon);
  out.weight_decay = options.value("weight_decay", out.weight_decay);
  return out;
}

optimizer optimizer_of(const std::string& name, const json& options) {
  if (name == "adam") return adam_of(options, adam{});
  if (name == "adamw") return adam_of(options, adamw{});
  return sgd{.momentum = options.value("momentum", 0.0F),
             .nesterov = options.value("nesterov", false),
             .weight_decay = options.value("weight_decay", 0.0F)};
}

std::vector<optimizer> rules() {
  return {sgd{},
          sgd{.momentum = 0.9F, .weight_decay = 1e-3F},
          sgd{.momentum = 0.9F, .nesterov = true},
          adam{.weight_decay = 1e-3F},
          adamw{}};
}

std::vector<float> draws(std::size_t n, std::uint32_t which) {
  random_stream draw({.seed = 41, .b = which});
  std::vector<float> out(n);
  for (float& value : out)
    value = draw.normal();
  return out;
}

} // namespace

TEST_CASE("five steps of every optimizer are PyTorch's") {
  std::ifstream file(TROUPE_TEST_DATA "/core_reference.json");
  const json reference = json::parse(file)["optimizers"];
  REQUIRE(reference.size() == 9);
  for (const json& c : reference) {
    const auto rule = optimizer_of(c["name"], c["options"]);
    INFO("optimizer: ", text(rule));
    held_range held(c["start"].get<std::vector<float>>());
    REQUIRE(c["gradients"].size() == 5);
    for (std::size_t step = 0; step < 5; ++step) {
      CAPTURE(step);
      const std::vector<float> gradient = c["gradients"][step];
      const std::vector<double> expected = c["after"][step];
      held.step(rule, c["rate"], static_cast<std::int64_t>(step), gradient);
      for (std::size_t i = 0; i < expected.size(); ++i)
        CHECK(std::abs(held.parameters[i] - expected[i]) <= 2e-6 * (1 + std::abs(expected[i])));
    }
  }
}

TEST_CASE("any cut of the range gives the same bits") {
  constexpr std::size_t n = 133;
  for (const optimizer& rule : rules()) {
    INFO("optimizer: ", text(rule));
    held_range whole(draws(n, 0));
    std::vector<held_range> cut(4, whole);
    const std::vector<std::vector<std::size_t>> cuts = {{1}, {64}, {5, 17, 100}, {7, 8, 9, 132}};
    for (std::int64_t step = 0; step < 3; ++step) {
      const auto gradient = draws(n, static_cast<std::uint32_t>(step) + 1);
      whole.step(rule, 0.05F, step, gradient);
      for (std::size_t i = 0; i < cuts.size(); ++i)
        cut[i].step(rule, 0.05F, step, gradient, cuts[i]);
    }
    for (const held_range& parts : cut) {
      CHECK(parts.parameters == whole.parameters);
      CHECK(parts.state == whole.state);
    }
  }
}

TEST_CASE("an optimizer knows its slots and describes itself") {
  CHECK(slots(sgd{}) == 0);
  CHECK(slots(sgd{.momentum = 0.9F}) == 1);
  CHECK(slots(adam{}) == 2);
  CHECK(slots(adamw{}) == 2);
  CHECK(text(sgd{.momentum = 0.9F, .nesterov = true}) == "sgd momentum 0.9 nesterov");
  CHECK(text(sgd{.weight_decay = 0.5F}) == "sgd weight decay 0.5");
  CHECK(text(adamw{}) == "adamw beta 0.9 0.999 epsilon 1e-08 weight decay 0.01");
}
