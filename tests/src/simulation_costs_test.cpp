#include "src/small_jobs.hpp"
#include "support/error_of.hpp"

#include <doctest/doctest.h>

#include <chrono>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

// Nothing but kernels takes time, and each piece one second forward and one for each of backward.
simulation_costs one_second_a_piece(const job& j) {
  constexpr double any = 1e18;
  simulation_costs out;
  out.machine = {.bytes_per_second = any, .overhead = 0ns};
  out.pieces.assign(pieces_of(j).size(), {1, 1, 1});
  return out;
}

double seconds_of(const wiring& w, const simulation_costs& costs, const work& what) {
  const auto shard = w.of(role_kind::layer_shard).front();
  return std::chrono::duration<double>(cost_function(w, costs)(shard, what)).count();
}

double step_seconds(const simulated_cluster& c, const wiring& w) {
  return predicted_step_seconds(w, c);
}

} // namespace

TEST_CASE("computations take what the profile says of their machine") {
  const auto j = small_job(1);
  const auto w = data_parallel(j, {.replicas = 2});
  simulation_costs costs;
  costs.machine.overhead = 0ns;
  costs.machine.sum_bytes_per_second = 1.2e9;
  costs.machine.update_bytes_per_second = 2.4e9;
  costs.machine.read_bytes_per_second = 1e9;
  CHECK(seconds_of(w, costs, {work_kind::sum, 1000}) == doctest::Approx(1e-5));
  CHECK(seconds_of(w, costs, {work_kind::update, 1000}) == doctest::Approx(1e-5));
  const auto images = static_cast<double>(j.batch / j.microbatches);
  const auto pixels = static_cast<double>(j.data.train->image.elements());
  CHECK(seconds_of(w, costs, {work_kind::read, 1}) == doctest::Approx(5e-9 * images * pixels));
  costs.machine.overhead = 1s;
  CHECK(seconds_of(w, costs, {work_kind::sum, 0}) == doctest::Approx(1));
}

TEST_CASE("new parameters are bound once a step, by what each layer shard has of the model") {
  const auto j = small_job(1);
  auto costs = one_second_a_piece(j);
  for (auto& piece : costs.pieces)
    piece.bind = 0.5;
  const auto pieces = static_cast<double>(costs.pieces.size());
  CHECK(seconds_of(data_parallel(j), costs, {work_kind::bind}) == doctest::Approx(0.5 * pieces));
  const auto cut = pipeline(j, {.stages = 2});
  CHECK(seconds_of(cut, costs, {work_kind::bind}) ==
        doctest::Approx(0.5 * static_cast<double>(cut.parts[0].pieces)));
}

TEST_CASE("backward adds the gradients of its shard's microbatches, but for the first") {
  const auto j = small_job(1, 4);
  auto costs = one_second_a_piece(j);
  costs.machine.sum_bytes_per_second = 1e3;
  std::int64_t elements = 0;
  for (const auto& piece : pieces_of(j))
    elements += piece.elements;
  const double kernels = 2 * static_cast<double>(costs.pieces.size());
  const double sum = 12e-3 * static_cast<double>(elements);
  CHECK(seconds_of(data_parallel(j, {.replicas = 2}), costs, {work_kind::backward}) ==
        doctest::Approx(kernels + sum / 2));
  CHECK(seconds_of(data_parallel(j, {.replicas = 4}), costs, {work_kind::backward}) ==
        doctest::Approx(kernels));
}

TEST_CASE("values that cross between layer shards pass the memory") {
  const auto j = small_job(1);
  const auto w = pipeline(j, {.stages = 2});
  auto costs = one_second_a_piece(j);
  const double fast = seconds_of(w, costs, {work_kind::forward});
  costs.machine.bytes_per_second = 1e6;
  CHECK(seconds_of(w, costs, {work_kind::forward}) > fast + 0.01);
}

TEST_CASE("two cores that compute at once are slower than one, as the profile says") {
  const auto w = data_parallel(small_job(1), {.replicas = 2});
  simulated_cluster apart;
  apart.costs = one_second_a_piece(w.job);
  auto together = apart;
  together.nodes = 1;
  const double alone = step_seconds(apart, w);
  CHECK(step_seconds(together, w) == doctest::Approx(alone).epsilon(0.01));
  together.model.node.busy = {1, 1.5};
  CHECK(step_seconds(together, w) == doctest::Approx(1.5 * alone).epsilon(0.01));
  apart.model.node.busy = {1, 1.5}; // each has its node's cores for itself
  CHECK(step_seconds(apart, w) == doctest::Approx(alone).epsilon(0.01));
}

TEST_CASE("a layer shard goes on with its next microbatch before others begin theirs") {
  const auto j = small_job(1, 8);
  simulated_cluster here{.nodes = 1}; // of two cores
  here.costs = one_second_a_piece(j);
  CHECK(step_seconds(here, data_parallel(j, {.replicas = 4})) ==
        doctest::Approx(step_seconds(here, data_parallel(j, {.replicas = 2}))).epsilon(0.01));
}

TEST_CASE("a cluster takes cores, contention and messages from a machine") {
  machine_profile m{.cores = 6, .message = 7us, .busy = {1, 2}};
  simulated_cluster c;
  set_machine(c, m);
  CHECK(c.model.node.cores == 6);
  CHECK(c.model.node.busy == m.busy);
  CHECK(c.model.local_delay == 7us);
  CHECK(c.costs.machine == m);
}

TEST_CASE("a calibration gives a profile that reads back and predicts") {
  const auto m = calibrate({.models = {"mlp"}, .images = {4}, .rounds = 1, .seconds = 0.001});
  CHECK(parse_machine_profile(text(m), "calibrated") == m);
  CHECK_FALSE(m.kernels.empty());
  CHECK(m.flops_per_second > 0);
  CHECK(m.bytes_per_second > 0);
  CHECK(m.sum_bytes_per_second > 0);
  CHECK(m.update_bytes_per_second > 0);
  CHECK(m.read_bytes_per_second > 0);
  CHECK(m.busy.size() == static_cast<std::size_t>(m.cores));
  simulated_cluster here{.nodes = 1};
  set_machine(here, m);
  CHECK(step_seconds(here, data_parallel(small_job(1))) > 0);
}
