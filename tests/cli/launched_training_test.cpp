// A real training as several processes, some of which are killed.
#include "cli/launched_program.hpp"
#include "support/deadline.hpp"
#include "support/error_of.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

namespace troupe::test {

namespace {

using words = std::vector<std::string>;

// The parameter holder is node 0's: it cannot die.
const words training = {
    TROUPE_PROGRAM, "train", "--model",        "mlp", "--data",     "synthetic:4000",
    "--batch",      "40",    "--microbatches", "4",   "--replicas", "4",
    "--holders",    "1",     "--epochs",       "12",  "--warmup",   "0",
    "--quiet",      "--json"};

words launch(int nodes, const words& more) {
  words out = {"launch", "-n", std::to_string(nodes), "--log-folder", "logs"};
  out.insert(out.end(), more.begin(), more.end());
  out.emplace_back("--");
  out.insert(out.end(), training.begin(), training.end());
  return out;
}

std::string digest_in(const std::string& output) {
  return nlohmann::json::parse(output)["parameter_digest"].dump();
}

std::string digest_of_one_process() {
  static const std::string digest = [] {
    const scratch_folder here;
    launched_program alone(here, words(training.begin() + 1, training.end()));
    REQUIRE(alone.wait() == 0);
    return digest_in(alone.output());
  }();
  return digest;
}

} // namespace

TEST_CASE("a launched training has the bits of one process") {
  const deadline patience(std::chrono::seconds(100), "a launched training");
  for (const words& more : {words{}, words{"--over", "tcp", "--keys", "keys"}}) {
    const scratch_folder here;
    launched_program all(here, launch(3, more));
    CHECK(all.wait() == 0);
    INFO(all.errors());
    CHECK(digest_in(all.output()) == digest_of_one_process());
    CHECK(all.left_nothing());
  }
}

TEST_CASE("killing processes of a launched training changes nothing but the clock") {
  const deadline patience(std::chrono::seconds(100), "a launched training with kills");
  const scratch_folder here;
  launched_program all(here, launch(4, {"--restarts", "1000"}));
  int kills = 0;
  for (int round = 0; round < 6; ++round) {
    const int victim = 1 + round % 3;
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    const pid_t process = all.node(victim);
    if (process == 0) continue;
    ::kill(process, SIGKILL);
    ++kills;
  }
  CHECK(all.wait() == 0);
  INFO(all.errors());
  CHECK(kills >= 1);
  CHECK(digest_in(all.output()) == digest_of_one_process());
  CHECK(contains(all.errors(), "was killed by SIGKILL"));
}

TEST_CASE("a process of a launched training is drained from another terminal") {
  const deadline patience(std::chrono::seconds(100), "a launched training that is drained");
  const scratch_folder here;
  launched_program all(here, launch(3, {}));
  const std::string ask = "cd " + here.path() + " && " + TROUPE_PROGRAM + " ";
  REQUIRE(comes_true([&] { return std::system((ask + "why > why.txt 2>&1").c_str()) == 0; }));
  CHECK(std::system((ask + "drain 2 > drain.txt 2>&1").c_str()) == 0);
  CHECK(text_of(here.file("drain.txt")) ==
        "the actors of node 2 go on elsewhere; then it ends\n");
  CHECK(std::system((ask + "drain 7 > refused.txt 2>&1").c_str()) != 0);
  CHECK(contains(text_of(here.file("refused.txt")), "the job has nodes 0 to 2"));
  CHECK(all.wait() == 0);
  INFO(all.errors());
  CHECK(digest_in(all.output()) == digest_of_one_process());
  CHECK(contains(text_of(here.file("logs/nodes/2/stderr.log")), "node 2 was drained"));
  CHECK(all.left_nothing());
}

} // namespace troupe::test
