#include "cli/simulation_words.hpp"
#include "support/error_of.hpp"
#include "support/scratch_folder.hpp"
#include "troupe/machine_profile.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cstdlib>
#include <string>
#include <vector>

using namespace troupe;
using namespace troupe::cli;

namespace {

// Exit status of the built program.
int status_of(const std::string& before, const std::string& words) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread.
  return std::system(
      fmt::format("{} '{}' {} >/dev/null 2>&1", before, TROUPE_PROGRAM, words).c_str());
}

constexpr const char* quickly = "calibrate --models mlp --images 4 --rounds 1 --seconds 0.001";

} // namespace

TEST_CASE("troupe calibrate writes a profile that troupe simulate predicts with") {
  const test::scratch_folder here;
  const auto path = here.file("machine.toml");
  REQUIRE(status_of("", fmt::format("{} --out '{}'", quickly, path)) == 0);
  CHECK_FALSE(load_machine_profile(path).kernels.empty());
  CHECK(status_of("",
                  fmt::format("simulate --machine '{}' --nodes 1 --data synthetic:400 --batch 32 "
                              "--steps 2 --timing-only --quiet",
                              path)) == 0);
}

TEST_CASE("a profile's usual place is in the folder of the user's configuration") {
  const test::scratch_folder here;
  REQUIRE(status_of(fmt::format("XDG_CONFIG_HOME='{}/config'", here.path()), quickly) == 0);
  CHECK_FALSE(load_machine_profile(here.file("config/troupe/machine.toml")).name.empty());
}

TEST_CASE("a simulated cluster's nodes are of the machine, but for what is said of them") {
  const test::scratch_folder here;
  const auto path = here.write(
      "m.toml", "flops = \"2 TFLOP/s\"\nbandwidth = \"50 GB/s\"\ncores = 16\nbusy = [1, 1.5]\n");
  const auto plain = simulation_of({"--machine", path}).cluster;
  CHECK(plain.costs.machine.flops_per_second == 2e12);
  CHECK(plain.model.node.cores == 16);
  CHECK(plain.model.node.busy == std::vector{1.0, 1.5});
  CHECK(simulation_of({"--machine", path, "--node", "4 cores"}).cluster.model.node.cores == 4);
}

TEST_CASE("a machine's mistakes are told with the other options'") {
  const test::scratch_folder here;
  const auto path = here.write("m.toml", "flops = \"2 TFLOP/s\"\nbandwidht = \"50 GB/s\"\n");
  const auto told = wrong_of_simulation({"--machine", path, "--gflops", "3", "--node", "4 legs"});
  INFO(told);
  CHECK(test::contains(told, path + ":2"));
  CHECK(test::contains(told, "write bandwidth"));
  CHECK(test::contains(told, "a machine has FLOP/s of its own"));
  CHECK(test::contains(told, "'4 legs'"));
}
