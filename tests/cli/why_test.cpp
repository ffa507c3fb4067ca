// A real training as several processes, one of which stands still: who waits, and who is to blame.
#include "cli/launched_program.hpp"
#include "support/deadline.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <chrono>
#include <set>
#include <string>
#include <vector>

namespace troupe::test {

namespace {

using words = std::vector<std::string>;

const words endless = {
    TROUPE_PROGRAM, "train", "--model",        "mlp",   "--data",     "synthetic:4000",
    "--batch",      "40",    "--microbatches", "4",     "--replicas", "2",
    "--holders",    "1",     "--epochs",       "10000", "--warmup",   "0",

    "--run-folder", "run"};

words launched(int nodes) {
  words out = {"launch", "-n", std::to_string(nodes), "--log-folder", "logs", "--"};
  out.insert(out.end(), endless.begin(), endless.end());
  return out;
}

struct said {
  int code = 0;
  std::string text;
};

// `troupe` with these words, in the folder of the job.
said ask(const scratch_folder& in, const words& all) {
  std::string line = "cd " + in.path() + " && " + TROUPE_PROGRAM;
  for (const auto& word : all)
    line += " " + word;
  FILE* out = ::popen((line + " 2>&1").c_str(), "r");
  said result;
  for (int c = std::fgetc(out); c != EOF; c = std::fgetc(out))
    result.text += static_cast<char>(c);
  const int status = ::pclose(out);
  result.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return result;
}

bool has_steps(const scratch_folder& in, std::size_t count) {
  const auto lines = text_of(in.file("run/metrics.jsonl"));
  std::size_t steps = 0;
  for (auto at = lines.find("\"event\":\"step\""); at != std::string::npos && steps < count;
       at = lines.find("\"event\":\"step\"", at + 1))
    ++steps;
  return steps >= count;
}

} // namespace

TEST_CASE("a process of a job that is stopped is named, by the job itself as well") {
  const deadline patience(std::chrono::seconds(100), "a stopped process");
  const scratch_folder here;
  launched_program all(here, launched(2));
  REQUIRE(comes_true([&] { return has_steps(here, 5); }));
  const auto stopped = all.node(1);
  REQUIRE(stopped > 0);
  ::kill(stopped, SIGSTOP);

  const auto began = std::chrono::steady_clock::now();
  const auto first = ask(here, {"why", "run"});
  CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(2));
  INFO(first.text);
  CHECK(first.code == 0);
  CHECK(first.text.find("node 1 ") != std::string::npos); // silent at first, then lost

  std::set<std::string> why;
  CHECK(comes_true([&] {
    const auto g = nlohmann::json::parse(ask(here, {"why", "run", "--json"}).text);
    if (g["suspects"].empty()) return false;
    why.insert(g["suspects"][0]["why"].get<std::string>());
    return g["suspects"][0]["why"] == "missing_node" && g["suspects"][0]["node"] == 1;
  }));
  CHECK(comes_true([&] {
    return text_of(here.file("run/events.jsonl")).find("\"event\":\"stalled\"") !=
           std::string::npos;
  }));
  CHECK(all.output().find("no step for ") + all.errors().find("no step for ") !=
        2 * std::string::npos);

  ::kill(stopped, SIGKILL); // it would be taken in again, too; this is sooner
  CHECK(ask(here, {"stop", "run"}).code == 0);
  CHECK(all.wait() == 130);
  const auto over = ask(here, {"why", "run"});
  CHECK(over.code == 2);
  CHECK(over.text.find("error: the run is not going on here\n") == 0);
}

TEST_CASE("a job that goes on is asked, its actors are killed, and it is ended, from elsewhere") {
  const deadline patience(std::chrono::seconds(100), "a job that is asked");
  const scratch_folder here;
  launched_program alone(here, words(endless.begin() + 1, endless.end()));
  REQUIRE(comes_true([&] { return has_steps(here, 5); }));
  CHECK(ask(here, {"why", "run", "--dot"}).text.find("digraph waits {") == 0);
  const auto wrong = ask(here, {"kill", "layer_shard/9/0", "run"});
  CHECK(wrong.code == 2);
  CHECK(wrong.text.find("error: nobody plays layer_shard/9/0\n") == 0);
  CHECK(ask(here, {"kill", "layer_shard/1/0", "run"}).text ==
        "layer_shard/1/0 is killed at its next message\n");
  CHECK(comes_true([&] {
    return text_of(here.file("run/events.jsonl")).find("\"layer_shard/1/0\"") != std::string::npos;
  }));
  CHECK(ask(here, {"why", "run", "--json", "--dot"}).code == 2);
  CHECK(ask(here, {"inject", "'slow layer_shard/1 x1'", "run"}).text ==
        "slow layer_shard/1/0 x1: it is injected\n");
  CHECK(ask(here, {"chaos", "run", "--rate", "often"}).code == 2);
  const auto storm = ask(here, {"chaos", "run", "--rate", "60/s", "--for", "'500 ms'"});
  CHECK(storm.code == 0);
  CHECK(storm.text.find("60/s kill any: it is injected\nnothing more is injected\n") == 0);
  CHECK(storm.text.find("  kill ") != std::string::npos);
  CHECK(ask(here, {"stop", "run"}).text == "the job ends after the steps that have begun\n");
  CHECK(alone.wait() == 130);
  CHECK_FALSE(std::filesystem::exists(here.file("run/control")));
}

} // namespace troupe::test
