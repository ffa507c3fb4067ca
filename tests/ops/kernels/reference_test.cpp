#include "ops/kernels/support.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <fstream>

using namespace troupe;
using namespace troupe::kernel_tests;

namespace {

using nlohmann::json;

json reference() {
  std::ifstream file(TROUPE_TEST_DATA "/layer_reference.json");
  REQUIRE(file.good());
  return json::parse(file);
}

// Relative to the tensor's root mean square: single values near zero carry the rounding of large
// ones.
void check_close(std::span<const float> actual, const json& expected, const std::string& what) {
  INFO(what);
  REQUIRE(actual.size() == expected["size"].get<std::size_t>());
  const double rms = expected["norm"].get<double>() / std::sqrt(static_cast<double>(actual.size()));
  double squares = 0;
  for (float v : actual)
    squares += static_cast<double>(v) * v;
  CHECK(std::sqrt(squares) == doctest::Approx(expected["norm"].get<double>()).epsilon(1e-4));
  const auto step = expected["step"].get<std::size_t>();
  double worst = 0;
  for (std::size_t i = 0; i < expected["values"].size(); ++i)
    worst = std::max(worst, std::abs(actual[i * step] - expected["values"][i].get<double>()));
  CHECK(worst <= 2e-4 * rms + 1e-6);
}

void check_network(const network& n, const json& expected, bool own_kernels) {
  INFO(n.name, own_kernels ? " with own kernels" : " through oneDNN alone");
  const graph g = build_graph(n.layers, n.input);
  const auto p = compile_cpu(
      g, {.microbatch = n.microbatch, .own_kernels = own_kernels, .block_bytes_min = 2048});
  const auto plain = plain_parameters(n, g);
  const step_result r = run_step(*p, n, g, pack(p->layout(), plain));
  check_close(r.output, expected["output"], "output");
  CHECK(r.loss.sum / static_cast<double>(n.microbatch) ==
        doctest::Approx(expected["loss"].get<double>()).epsilon(1e-5));
  REQUIRE(expected["gradients"].size() == g.parameters.size());
  for (std::size_t i = 0; i < g.parameters.size(); ++i) {
    const std::string& name = g.parameters[i].name;
    REQUIRE(expected["gradients"].contains(name));
    check_close(plain_values(p->layout(), static_cast<int>(i), r.gradients),
                expected["gradients"][name],
                name);
  }

  // Evaluation with the parameters as the training program lays them out.
  const auto e = compile_cpu(g,
                             {.microbatch = n.microbatch,
                              .training = false,
                              .layout = &p->layout(),
                              .own_kernels = own_kernels});
  e->bind(pack(p->layout(), plain));
  e->forward(input_of(n), {});
  check_close(e->output(), expected["evaluated"], "evaluated");
  CHECK(e->memory_bytes() <= p->memory_bytes());
}

} // namespace

TEST_CASE("programs compute what PyTorch computes, through oneDNN alone") {
  const json all = reference();
  for (const network& n : networks())
    check_network(n, all[n.name], false);
}

TEST_CASE("programs compute what PyTorch computes, with own kernels") {
  const json all = reference();
  for (const network& n : networks())
    check_network(n, all[n.name], true);
}
