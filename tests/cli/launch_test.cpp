// The launcher with programs that know nothing of Troupe: shell scripts.
#include "cli/launched_program.hpp"
#include "cli/slurm_batch.hpp"
#include "support/error_of.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace troupe::test {

namespace {

using words = std::vector<std::string>;

words launch(int nodes, const std::string& script, const words& more = {}) {
  words out = {"launch", "-n", std::to_string(nodes), "--log-folder", "logs"};
  out.insert(out.end(), more.begin(), more.end());
  out.insert(out.end(), {"--", "sh", "-c", script});
  return out;
}

// A node of four whose node 0 is elsewhere, or that is node 0 itself.
words joining(const std::string& number, const std::string& script) {
  return {"node",
          "--join",
          "tcp://10.0.0.1:5",
          "--number",
          number,
          "--nodes",
          "4",
          "--",
          "sh",
          "-c",
          script};
}

std::vector<pid_t> numbers_in(const std::string& text) {
  std::istringstream in(text);
  std::vector<pid_t> out;
  for (pid_t one = 0; in >> one;)
    out.push_back(one);
  return out;
}

// Each node says the number of its process, and that of a child, in `pids`; then runs for ever.
constexpr const char* for_ever = "sleep 600 & echo $$ $! >> pids; wait";

bool all_gone(const std::vector<pid_t>& processes) {
  return comes_true([&] {
    return std::none_of(processes.begin(), processes.end(), [](pid_t one) { return runs(one); });
  });
}

} // namespace

TEST_CASE("each node of a launch is told its place, and its words go to its own file") {
  const scratch_folder here;
  const std::string say = "echo $TROUPE_RANK/$TROUPE_WORLD $TROUPE_LOCAL_RANK $TROUPE_RESTART "
                          "$TROUPE_COORDINATOR $TROUPE_JOB; echo to stderr >&2; cat";
  launched_program all(here, launch(3, say));
  CHECK(all.wait() == 0);
  std::istringstream zero(all.output());
  std::string place, local, restart, coordinator, job;
  zero >> place >> local >> restart >> coordinator >> job;
  CHECK(place == "0/3");
  CHECK(local == "0");
  CHECK(restart == "0");
  CHECK(coordinator.rfind("ipc://" + here.path() + "/tmp/troupe-launch-", 0) == 0);
  CHECK(text_of(here.file("logs/nodes/1/stdout.log")) ==
        fmt::format("1/3 1 0 {} {}\n", coordinator, job));
  CHECK(text_of(here.file("logs/nodes/2/stdout.log")) ==
        fmt::format("2/3 2 0 {} {}\n", coordinator, job));
  CHECK(text_of(here.file("logs/nodes/2/stderr.log")) == "to stderr\n");
  CHECK(contains(all.errors(), "to stderr"));
  CHECK(all.left_nothing());
}

TEST_CASE("nodes meet over a socket file, a free port, or where they are told") {
  const auto coordinator = [](const words& more) {
    const scratch_folder here;
    launched_program all(here, launch(2, "echo $TROUPE_COORDINATOR", more));
    CHECK(all.wait() == 0);
    return all.output();
  };
  CHECK(coordinator({}).rfind("ipc:///", 0) == 0);
  CHECK(coordinator({"--over", "tcp"}).rfind("tcp://127.0.0.1:", 0) == 0);
  CHECK(coordinator({"--over", "tcp"}) != coordinator({"--over", "tcp"}));
  CHECK(coordinator({"--coordinator", "tcp://10.1.2.3:5555"}) == "tcp://10.1.2.3:5555\n");
}

TEST_CASE("what another engine said of the launcher's own process is not told to its nodes") {
  const scratch_folder here;
  ::setenv("SLURM_PROCID", "1", 1);
  ::setenv("TROUPE_KEYS", "/of/another/job", 1);
  launched_program all(here, launch(2, "echo \"[$SLURM_PROCID$TROUPE_KEYS]\""));
  ::unsetenv("SLURM_PROCID");
  ::unsetenv("TROUPE_KEYS");
  CHECK(all.wait() == 0);
  CHECK(all.output() == "[]\n");
}

TEST_CASE("keys of nodes are made where they are missing, and each node gets its own") {
  const scratch_folder here;
  const std::string say = "echo $TROUPE_KEYS $TROUPE_TRUSTED; grep -c . $TROUPE_KEYS";
  for (int again = 0; again < 2; ++again) {
    launched_program all(here, launch(2, say, {"--keys", "keys"}));
    CHECK(all.wait() == 0);
    CHECK(contains(all.output(), "/keys/node-0.secret"));
    CHECK(contains(all.output(), "/keys/trusted\n"));
  }
  CHECK(contains(text_of(here.file("logs/nodes/1/stdout.log")), "/keys/node-1.secret"));
  const std::string trusted = text_of(here.file("keys/trusted"));
  CHECK(contains(trusted, "node-0 0 "));
  CHECK(contains(trusted, "node-1 1 "));
}

TEST_CASE("a node that dies is started again, whether by a signal or a code of failure") {
  const scratch_folder here;
  const std::string script =
      "if [ $TROUPE_RANK = 0 ]; then while [ ! -e done ]; do sleep 0.01; done; "
      "else case $TROUPE_RESTART in 0) kill -9 $$;; 1) exit 7;; "
      "2) kill -11 $$;; *) touch done;; esac; fi";
  launched_program all(here, launch(2, script));
  CHECK(all.wait() == 0);
  for (const char* part : {"node 1 was killed by SIGKILL after",
                           "node 1 ended with code 7 after",
                           "node 1 was killed by SIGSEGV after",
                           "; started again within "})
    CHECK(contains(all.errors(), part));
}

TEST_CASE("a killed node runs again within milliseconds") {
  const scratch_folder here;
  launched_program all(here, launch(2, "echo $$ >> pids-$TROUPE_RANK; exec sleep 600"));
  const auto pids = [&] { return numbers_in(text_of(here.file("pids-1"))); };
  std::vector<double> waits;
  for (std::size_t life = 1; life <= 5; ++life) {
    REQUIRE(comes_true([&] { return pids().size() == life; }));
    std::this_thread::sleep_for(std::chrono::milliseconds(1050)); // old enough to start at once
    ::kill(pids().back(), SIGKILL);
    REQUIRE(comes_true([&] { return pids().size() == life + 1; }));
  }
  all.signal(SIGTERM);
  CHECK(all.wait() == 130);
  std::istringstream said(all.errors());
  for (std::string line; std::getline(said, line);)
    if (const auto at = line.find("again within "); at != std::string::npos)
      waits.push_back(std::stod(line.substr(at + 13)));
  REQUIRE(waits.size() == 5);
  std::sort(waits.begin(), waits.end());
  MESSAGE("milliseconds from a death to the next life: median ", waits[2]);
  CHECK(waits[2] < 20); // about 1 where nothing else runs
}

TEST_CASE("a hot spare becomes the node that dies, and is replaced") {
  const scratch_folder here;
  const std::string script =
      "if [ -n \"$TROUPE_SPARE\" ]; then touch ready; said=$(eval \"cat <&$TROUPE_SPARE\"); "
      "[ -n \"$said\" ] || exit; echo \"$said\" > became; "
      "while [ ! -e ready ]; do sleep 0.01; done; touch done; "
      "elif [ $TROUPE_RANK = 0 ]; then while [ ! -e done ]; do sleep 0.01; done; "
      "else while [ ! -e ready ]; do sleep 0.01; done; rm ready; kill -9 $$; fi";
  launched_program all(here, launch(2, script, {"--spares", "1"}));
  CHECK(all.wait() == 0); // a second spare has said that it is ready
  const std::string became = text_of(here.file("became"));
  CHECK(contains(became, "TROUPE_RANK=1\n"));
  CHECK(contains(became, "TROUPE_RESTART=1\n"));
  CHECK(contains(became, "logs/nodes/1/stderr.log"));
  CHECK(all.left_nothing());
}

TEST_CASE("spares that die are not started for ever, and the nodes do without") {
  const scratch_folder here;
  const std::string script =
      "if [ -n \"$TROUPE_SPARE\" ]; then echo x >> spares; exit 1; "
      "elif [ $TROUPE_RANK = 0 ]; then while [ ! -e done ]; do sleep 0.01; done; "
      "else case $TROUPE_RESTART in 0) sleep 3; kill -9 $$;; *) touch done;; esac; fi";
  launched_program all(here, launch(2, script, {"--spares", "1"}));
  CHECK(all.wait() == 0);
  CHECK(text_of(here.file("spares")) == "x\nx\nx\n");
  CHECK(all.left_nothing());
}

TEST_CASE("a node that keeps dying young is given up, and its last words are the last") {
  const scratch_folder here;
  const std::string script = "if [ $TROUPE_RANK = 1 ]; then echo no memory left >&2; exit 7; fi; "
                             "exec sleep 600";
  launched_program all(here, launch(3, script, {"--restarts", "4"}));
  CHECK(all.wait() == 1);
  const std::string said = all.errors();
  CHECK(contains(said, "more than 4 deaths in 10 minutes: the job ends"));
  CHECK(contains(said, "; it said in logs/nodes/1/stderr.log:\nno memory left\n"));
  CHECK(said.rfind("no memory left\n") == said.size() - 15);
  CHECK(all.left_nothing());
}

TEST_CASE("when node 0 fails, what another node said before it died is told after it") {
  const scratch_folder here;
  const std::string script =
      "if [ $TROUPE_RANK$TROUPE_RESTART = 10 ]; then echo no memory left >&2; touch died; exit 7; "
      "elif [ $TROUPE_RANK = 0 ]; then while [ ! -e died ]; do sleep 0.01; done; sleep 0.1; "
      "exit 9; else echo another life >&2; exec sleep 600; fi";
  launched_program all(here, launch(2, script));
  CHECK(all.wait() == 9);
  const std::string said = all.errors();
  CHECK(said.rfind("stderr.log:\nno memory left\n") == said.size() - 27);
}

TEST_CASE("a node whose command line is wrong is not tried again") {
  const scratch_folder here;
  launched_program all(here, launch(2, "[ $TROUPE_RANK = 0 ] && exec sleep 600; exit 2"));
  CHECK(all.wait() == 2);
  CHECK(contains(all.errors(), "node 1 ended with code 2"));
  CHECK(contains(all.errors(), "its command line is wrong"));
}

TEST_CASE("the job ends with node 0, with its code") {
  const scratch_folder here;
  launched_program failing(here,
                           launch(3, "[ $TROUPE_RANK = 0 ] && exit 7; " + std::string(for_ever)));
  CHECK(failing.wait() == 7);
  CHECK(contains(failing.errors(), "node 0 ended with code 7: the job ends"));
  CHECK(all_gone(numbers_in(text_of(here.file("pids")))));
  const scratch_folder there;
  launched_program killed(
      there,
      launch(
          2,
          "[ $TROUPE_RANK = 0 ] || exec sleep 600; [ $TROUPE_RESTART = 2 ] && exit 5; kill -9 $$"));
  CHECK(killed.wait() == 5); // it was started again as long as it was killed
}

TEST_CASE("nodes may end before node 0, and are ended when they do not end with it") {
  const scratch_folder here;
  const std::string script =
      "case $TROUPE_RANK in 0) sleep 0.3;; 1) exit 0;; *) exec sleep 600;; esac";
  launched_program all(here, launch(3, script, {"--grace", "50 ms"}));
  CHECK(all.wait() == 0);
  CHECK(contains(all.errors(), "node 2 did not end with node 0: it is ended"));
  CHECK_FALSE(contains(all.errors(), "node 1"));
}

TEST_CASE("who was done before node 0 died is started again with it, and the job ends") {
  const scratch_folder here;
  const std::string zero = "if [ $TROUPE_RANK = 0 ]; then "
                           "while [ ! -e done-$TROUPE_RESTART ]; do sleep 0.01; done; "
                           "[ $TROUPE_RESTART = 1 ] || kill -9 $$; ",
                    one = "else touch done-$TROUPE_RESTART; fi";
  launched_program all(here, launch(2, zero + one));
  CHECK(all.wait() == 0);
  CHECK(contains(all.errors(), "node 0 was killed by SIGKILL after"));
  CHECK(contains(all.errors(), "node 1 was done, and node 0 was not; started again within"));
}

TEST_CASE("Ctrl-C is heard by node 0 alone, which ends the job") {
  const scratch_folder here;
  const std::string script = "trap 'echo heard $TROUPE_RANK >> heard; touch saved; exit 130' INT; "
                             "echo $TROUPE_RANK >> ready; "
                             "while [ ! -e saved ]; do sleep 0.01; done";
  launched_program all(here, launch(3, script));
  REQUIRE(comes_true([&] { return numbers_in(text_of(here.file("ready"))).size() == 3; }));
  all.signal(SIGINT);
  CHECK(all.wait() == 130);
  CHECK(text_of(here.file("heard")) == "heard 0\n");
  CHECK(contains(all.errors(), "node 0 saves and ends the job"));
}

TEST_CASE("Ctrl-C twice, SIGTERM and a closed terminal end all nodes, and what they started") {
  for (const std::vector<int>& signals :
       std::vector<std::vector<int>>{{SIGINT, SIGINT}, {SIGTERM}, {SIGHUP}}) {
    const scratch_folder here;
    launched_program all(here, launch(4, "trap '' INT; " + std::string(for_ever)));
    REQUIRE(comes_true([&] { return numbers_in(text_of(here.file("pids"))).size() == 8; }));
    for (const int one : signals) {
      all.signal(one);
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    CHECK(all.wait() == 130);
    CHECK(all_gone(numbers_in(text_of(here.file("pids")))));
    CHECK(all.left_nothing());
  }
}

TEST_CASE("a launch that nohup started outlives its terminal") {
  const scratch_folder here;
  std::signal(SIGHUP, SIG_IGN);
  launched_program all(here, launch(2, "while [ ! -e done ]; do sleep 0.01; done"));
  std::signal(SIGHUP, SIG_DFL);
  REQUIRE(
      comes_true([&] { return std::filesystem::exists(here.file("logs/nodes/1/stdout.log")); }));
  all.signal(SIGHUP);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  std::ofstream(here.file("done"));
  CHECK(all.wait() == 0);
}

TEST_CASE("a launch needs no standard files") {
  const scratch_folder here;
  const std::string command =
      fmt::format("cd '{}' && '{}' launch -n 2 --log-folder logs -- sh -c 'echo $TROUPE_RANK' "
                  "<&- >&- 2>&-",
                  here.path(),
                  TROUPE_PROGRAM);
  CHECK(std::system(command.c_str()) == 0);
  CHECK(text_of(here.file("logs/nodes/1/stdout.log")) == "1\n");
}

TEST_CASE("nodes that do not hear SIGTERM are killed") {
  const scratch_folder here;
  launched_program all(here,
                       launch(2, "trap '' TERM INT; echo $$ >> pids; while :; do sleep 1; done"));
  REQUIRE(comes_true([&] { return numbers_in(text_of(here.file("pids"))).size() == 2; }));
  all.signal(SIGTERM);
  CHECK(all.wait() == 130);
  CHECK(all_gone(numbers_in(text_of(here.file("pids")))));
}

TEST_CASE("nothing outlives a launcher that is killed: no process, no file") {
  const scratch_folder here;
  launched_program all(here, launch(4, for_ever));
  REQUIRE(comes_true([&] { return numbers_in(text_of(here.file("pids"))).size() == 8; }));
  all.signal(SIGKILL);
  CHECK(all.wait() == 137);
  CHECK(all_gone(numbers_in(text_of(here.file("pids")))));
  CHECK(comes_true([&] { return all.left_nothing(); }));
}

TEST_CASE("what a node started does not outlive the node") {
  const scratch_folder here;
  const std::string script =
      "if [ $TROUPE_RANK$TROUPE_RESTART = 10 ]; then " +
      std::string("sleep 600 & echo $! > child; kill -9 $$; fi; ") +
      "if [ $TROUPE_RANK = 0 ]; then while [ ! -e done ]; do sleep 0.01; done; "
      "else touch done; fi";
  launched_program all(here, launch(2, script));
  CHECK(all.wait() == 0);
  CHECK(all_gone(numbers_in(text_of(here.file("child")))));
}

TEST_CASE("a launch removes what one left that was killed with its keeper") {
  const scratch_folder here;
  std::filesystem::create_directories(here.file("tmp/troupe-launch-dead00"));
  std::ofstream(here.file("tmp/troupe-launch-dead00/lock"));
  std::ofstream(here.file("tmp/troupe-launch-dead00/node-0"));
  std::filesystem::create_directories(here.file("tmp/troupe-launch-making"));
  std::filesystem::create_directories(here.file("tmp/anything"));
  launched_program all(here, launch(2, "true"));
  CHECK(all.wait() == 0);
  CHECK_FALSE(std::filesystem::exists(here.file("tmp/troupe-launch-dead00")));
  CHECK(std::filesystem::exists(here.file("tmp/troupe-launch-making"))); // has no lock yet
  CHECK(std::filesystem::exists(here.file("tmp/anything")));
}

TEST_CASE("64 processes start, and stop") {
  const scratch_folder here;
  launched_program all(here, launch(64, "echo $$ >> pids; exec sleep 600"));
  REQUIRE(comes_true([&] { return numbers_in(text_of(here.file("pids"))).size() == 64; }));
  all.signal(SIGTERM);
  CHECK(all.wait() == 130);
  const auto processes = numbers_in(text_of(here.file("pids")));
  CHECK(std::set<pid_t>(processes.begin(), processes.end()).size() == 64);
  CHECK(all_gone(processes));
}

TEST_CASE("a storm of kills is answered by as many lives") {
  const scratch_folder here;
  const std::string script =
      "if [ $TROUPE_RANK = 0 ]; then while [ ! -e done ]; do sleep 0.01; done; "
      "elif [ $TROUPE_RESTART -lt 8 ]; then kill -9 $$; "
      "else echo $TROUPE_RANK >> alive; while [ ! -e done ]; do sleep 0.01; done; fi";
  launched_program all(here, launch(9, script));
  CHECK(comes_true([&] { return numbers_in(text_of(here.file("alive"))).size() == 8; }));
  std::ofstream(here.file("done"));
  CHECK(all.wait() == 0);
}

TEST_CASE("one node joins from its own command line, and is started again") {
  const scratch_folder here;
  const std::string script = "echo $TROUPE_RANK/$TROUPE_WORLD $TROUPE_COORDINATOR $TROUPE_RESTART; "
                             "[ $TROUPE_RESTART = 2 ] || kill -9 $$";
  launched_program one(here, joining("3", script));
  CHECK(one.wait() == 0);
  CHECK(one.output() == "3/4 tcp://10.0.0.1:5 0\n3/4 tcp://10.0.0.1:5 1\n3/4 tcp://10.0.0.1:5 2\n");
  const scratch_folder there;
  launched_program zero(there, joining("0", "exit 9"));
  CHECK(zero.wait() == 9);
}

TEST_CASE("Ctrl-C does not end a node whose node 0 is elsewhere; twice does") {
  const scratch_folder here;
  launched_program one(here, joining("3", for_ever));
  REQUIRE(comes_true([&] { return numbers_in(text_of(here.file("pids"))).size() == 2; }));
  one.signal(SIGINT);
  REQUIRE(comes_true([&] { return contains(one.errors(), "runs elsewhere"); }));
  CHECK(runs(numbers_in(text_of(here.file("pids"))).front()));
  one.signal(SIGINT);
  CHECK(one.wait() == 130);
  CHECK(all_gone(numbers_in(text_of(here.file("pids")))));
}

TEST_CASE("mistakes of a launch are told before anything starts") {
  const auto said = [](words w, int code) {
    const scratch_folder here;
    launched_program all(here, std::move(w));
    CHECK(all.wait() == code);
    CHECK(all.left_nothing());
    return all.errors();
  };
  CHECK(contains(said({"launch", "-n", "2"}, 2), "which program the nodes are"));
  CHECK(contains(said({"launch", "--", "true"}, 2), "nothing says how many processes"));
  CHECK(contains(said({"launch", "-n", "0", "--", "true"}, 2), "nodes"));
  CHECK(contains(said({"launch", "-n", "2", "--over", "udp", "--", "true"}, 2), "udp"));
  CHECK(contains(said({"launch", "-n", "2", "--grace", "long", "--", "true"}, 2),
                 "'long' is no time"));
  CHECK(contains(said({"launch", "-n", "2", "--coordinator", "host", "--", "true"}, 2),
                 "'tcp://host' is no place to meet"));
  CHECK(contains(said({"launch", "-n", "2", "--", "./missing"}, 2), "cannot run './missing'"));
  CHECK(contains(said({"launch", "-n", "2", "--", "missing-program"}, 2), "./missing-program if"));
  CHECK(
      contains(said({"launch", "-n", "2", "--log-folder", "/proc/x", "--", "true"}, 3), "/proc/x"));
  CHECK(contains(said({"launch", "--restart", "3", "-n", "2", "--", "true"}, 2), "--restarts"));
  CHECK(contains(said({"node", "--number", "1", "--nodes", "2", "--", "true"}, 2),
                 "nothing says where the nodes meet"));
  CHECK(contains(said({"node", "--number", "1", "--", "true"}, 2), "how many nodes there are"));
}

TEST_CASE("a batch file for Slurm is what bash reads, whatever the words of the driver are") {
  cli::slurm_job job{.name = "fashion",
                     .machines = 4,
                     .per_machine = 2,
                     .cores = 8,
                     .time = "02:00:00",
                     .partition = "gpu",
                     .sbatch = {"--gres=gpu:1"},
                     .requeue = true,
                     .keys = "/shared/keys",
                     .logs = "/shared/run 1",
                     .troupe = "/usr/bin/troupe",
                     .program = {"./driver", "it's", "a b", "$HOME", ""}};
  const std::string text = cli::batch_text(job);
  for (const char* part : {"#!/bin/bash\n#SBATCH --job-name=fashion\n#SBATCH --nodes=4\n",
                           "#SBATCH --ntasks-per-node=2\n#SBATCH --cpus-per-task=8\n",
                           "#SBATCH --time=02:00:00\n#SBATCH --partition=gpu\n",
                           "#SBATCH --signal=B:USR1@120\n#SBATCH --requeue\n#SBATCH --gres=gpu:1\n",
                           "srun --kill-on-bad-exit=1 --wait=0 --cpus-per-task=8",
                           "--log-folder '/shared/run 1' --keys /shared/keys/ --",
                           "./driver 'it'\\''s' 'a b' '$HOME' '' &\n",
                           "exec scontrol requeue"})
    CHECK(contains(text, part));
  const scratch_folder here;
  const std::string check = "bash -n '" + here.write("batch", text) + "'";
  CHECK(std::system(check.c_str()) == 0);
  job.requeue = false;
  CHECK(contains(cli::batch_text(job), "--no-requeue"));
  CHECK_FALSE(contains(cli::batch_text(job), "scontrol"));
}

TEST_CASE("a batch file can be printed without a Slurm, and is written nowhere then") {
  const scratch_folder here;
  launched_program slurm(here, {"launch", "slurm", "-n", "4", "--print", "--", "./driver", "x y"});
  CHECK(slurm.wait() == 0);
  CHECK(contains(slurm.output(), "#SBATCH --nodes=4\n"));
  CHECK(contains(slurm.output(), "./driver 'x y' &"));
  CHECK_FALSE(std::filesystem::exists(here.file("runs")));
}

} // namespace troupe::test
