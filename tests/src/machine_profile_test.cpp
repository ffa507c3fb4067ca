#include "src/small_jobs.hpp"
#include "support/error_of.hpp"
#include "support/scratch_folder.hpp"
#include "troupe/kernel_costs.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <numeric>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

machine_profile whole_profile() {
  return {.name = "a \"fast\" one \\ of ours",
          .cores = 48,
          .flops_per_second = 123.4e9,
          .bytes_per_second = 17.3e9,
          .sum_bytes_per_second = 31e9,
          .update_bytes_per_second = 29e9,
          .read_bytes_per_second = 5.5e9,
          .overhead = 371ns,
          .message = 283ns,
          .busy = {1, 1.05, 1.3},
          .kernels = {{.layers = "conv2d 3x3+relu",
                       .images = 16,
                       .flops = 7.2e6,
                       .elements = 12544,
                       .bind = 3.1e-4,
                       .forward = 1.0665e-4,
                       .backward_inputs = 1.7e-4,
                       .backward_weights = 1.1e-4},
                      {.layers = "flatten", .images = 16}}};
}

double seconds_of(const std::vector<piece_cost>& costs) {
  return std::accumulate(
      costs.begin(), costs.end(), 0.0, [](double sum, const auto& c) { return sum + c.all(); });
}

// With the kernels of `j` at so many times the real number of images, each taking `seconds`.
machine_profile knowing(const job& j, std::int64_t times, double seconds) {
  machine_profile out;
  out.kernels = kernels_of(j);
  for (auto& k : out.kernels) {
    k.images *= times;
    k.forward = k.backward_inputs = k.backward_weights = seconds;
  }
  return out;
}

} // namespace

TEST_CASE("a machine's profile is read as it was written") {
  const scratch_folder here;
  const auto path = here.file("machine.toml");
  save_machine_profile(whole_profile(), path);
  CHECK(load_machine_profile(path) == whole_profile());
  const machine_profile plain;
  CHECK(parse_machine_profile(text(plain), "plain") == plain);
}

TEST_CASE("a profile is written by hand with FLOP/s, bandwidth and cores") {
  const auto m = parse_machine_profile("flops = \"2 TFLOP/s\"\n"
                                       "bandwidth = \"200 GB/s\" # of a core\n"
                                       "cores = 16\n"
                                       "message = \"1.5 us\"\n",
                                       "by-hand.toml");
  CHECK(m.flops_per_second == 2e12);
  CHECK(m.bytes_per_second == 2e11);
  CHECK(m.cores == 16);
  CHECK(m.message == 1500ns);
  CHECK(m.busy.empty());
  const auto twice = parse_machine_profile("flops = 4e12\nbandwidth = 4e11\n", "twice.toml");
  const auto j = small_job(1);
  CHECK(seconds_of(piece_costs(j, m)) == doctest::Approx(2 * seconds_of(piece_costs(j, twice))));
}

TEST_CASE("every mistake of a profile is told with its line and what to write") {
  const char* const bad = "flops = \"2 TFLOPS\"\n"
                          "bandwith = \"200 GB/s\"\n"
                          "cores = 2.5\n"
                          "busy = [1, 0.5]\n"
                          "overhead = \"-3 us\"\n"
                          "name = 7\n"
                          "kernels = [\n"
                          "  { layers = \"dense\", images = 0, forward = \"5 us\" },\n"
                          "  { layer = \"dense\", images = 16 },\n"
                          "  3 ]\n";
  const auto told = error_of([&] { parse_machine_profile(bad, "m.toml"); });
  INFO(told);
  for (const char* part : {"m.toml:1",
                           "this is not FLOP/s",
                           "write \"100 GFLOP/s\"",
                           "m.toml:2",
                           "write bandwidth",
                           "the machine's bandwidth is missing",
                           "m.toml:3",
                           "2.5 is not whole",
                           "m.toml:4",
                           "0.5 is out of range",
                           "m.toml:5",
                           "out of range",
                           "m.toml:6",
                           "this is no text",
                           "m.toml:8",
                           "a number of images is from 1",
                           "m.toml:9",
                           "write layers",
                           "the kernel's forward is missing",
                           "m.toml:10",
                           "this is no kernel"})
    CHECK_MESSAGE(contains(told, part), part);
  CHECK_ERROR(parse_machine_profile("flops = = 3\n", "m.toml"), "m.toml:1");
  CHECK_ERROR(load_machine_profile("/no/such/machine.toml"), "/no/such/machine.toml");
}

TEST_CASE("a kernel that was measured costs what it took; others are told from those like it") {
  const auto j = small_job(1);
  for (const auto& cost : piece_costs(j, knowing(j, 1, 0.25)))
    CHECK(cost.forward == doctest::Approx(0.25));
  // Only at four times the images: a quarter of the time, or near it, where several are alike.
  const auto quarter = seconds_of(piece_costs(j, knowing(j, 4, 0.25)));
  const auto whole = seconds_of(piece_costs(j, knowing(j, 1, 0.25)));
  CHECK(quarter > 0.15 * whole);
  CHECK(quarter < 0.35 * whole);
}
