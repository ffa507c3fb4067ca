// The built program, as a user meets it.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace fs = std::filesystem;

namespace {

struct answer {
  int code = -1;
  std::string text;
};

// An empty folder of its own, which the program runs in.
class scratch {
public:
  scratch() {
    std::string name = (fs::temp_directory_path() / "troupe-program-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }

  ~scratch() { fs::remove_all(path_); }

  scratch(const scratch&) = delete;
  scratch& operator=(const scratch&) = delete;

  fs::path operator/(const std::string& name) const { return path_ / name; }

  const fs::path& path() const { return path_; }

  answer run(const std::string& words, const std::string& before = "") const {
    const std::string command =
        fmt::format("cd '{}' || exit; {} '{}' {}", path_.string(), before, TROUPE_PROGRAM, words);
    answer out;
    std::FILE* pipe = ::popen(command.c_str(), "r");
    REQUIRE(pipe != nullptr);
    std::array<char, 4096> part{};
    while (std::fgets(part.data(), part.size(), pipe) != nullptr)
      out.text += part.data();
    const int status = ::pclose(pipe);
    out.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return out;
  }

private:
  fs::path path_;
};

constexpr const char* small =
    "train --model mlp --data synthetic:400 --batch 40 --steps 12 --warmup 0 ";

// What --json tells of a simulation; the second line is of the wall clock.
nlohmann::json simulated(const answer& a) {
  return nlohmann::json::parse(a.text.substr(0, a.text.find('\n')));
}

nlohmann::json last_line(const fs::path& file) {
  std::ifstream lines(file);
  std::string line, last;
  while (std::getline(lines, line))
    last = line;
  return nlohmann::json::parse(last);
}

nlohmann::json end_of(const scratch& in, const std::string& more) {
  const answer a = in.run(std::string(small) + "--quiet --json " + more + " 2>/dev/null");
  REQUIRE(a.code == 0);
  return nlohmann::json::parse(a.text);
}

} // namespace

TEST_CASE("help goes to stdout and succeeds") {
  const scratch here;
  const answer all = here.run("--help 2>/dev/null");
  CHECK(all.code == 0);
  CHECK(all.text.find("Examples:") != std::string::npos);
  for (const char* command :
       {"train", "plan", "wiring", "eval", "bench", "keys", "launch", "node", "top", "doctor"})
    CHECK(here.run(fmt::format("{} --help 2>/dev/null", command)).code == 0);
}

TEST_CASE("usage mistakes exit with 2, tell the cure on stderr and leave nothing") {
  const scratch here;
  const answer option = here.run("train --bacth 64 2>&1 >/dev/null");
  CHECK(option.code == 2);
  CHECK(option.text == "error: unknown option --bacth\n"
                       "  --> troupe train --bacth\n"
                       "  help: did you mean '--batch'?\n");
  const answer batch =
      here.run("train --data synthetic:400 --batch 63 --microbatches 2 --replicas 2 2>&1");
  CHECK(batch.code == 2);
  CHECK(batch.text.find("63 = 2 x 31 + 1") != std::string::npos);
  CHECK(fs::is_empty(here.path()));
}

TEST_CASE("plan tells every mistake and runs nothing") {
  const scratch here;
  const answer a = here.run("plan --data fashion-mnst --batch 63 --replicas 3 --microbatches 2 "
                            "--save /no/such/folder/w 2>&1");
  CHECK(a.code == 2);
  for (const char* part : {"unknown data \"fashion-mnst\"",
                           "cannot write /no/such/folder/w",
                           "63 = 2 x 31 + 1",
                           "2 microbatches do not split into 3 replicas"})
    CHECK_MESSAGE(a.text.find(part) != std::string::npos, part);
  const answer good = here.run("plan --model lenet --data synthetic:400 2>&1");
  CHECK(good.code == 0);
  CHECK(good.text.find("layer_shard/1/0") != std::string::npos);
  CHECK(good.text.find("MFLOP an image") != std::string::npos);
  CHECK(fs::is_empty(here.path()));
}

TEST_CASE("wiring shows, prices, draws and saves what train then plays") {
  const scratch here;
  const std::string job = "--model mlp --data synthetic:400 --batch 40 --microbatches 4 ";
  const answer shown = here.run("wiring " + job +
                                "--topology pipeline --stages 3 --schedule-chart --draw w.dot "
                                "--draw w.mmd --save-wiring w.json --supervision "
                                "--draw-supervision t.dot 2>&1");
  CHECK(shown.code == 0);
  for (const char* part : {"layer_shard/0/2",
                           "  replica/0                   one for one",
                           "    layer_shard/0/1           permanent, state: from peers",
                           "pieces of the model",
                           "cost of a step",
                           "by measured costs",
                           "replica-0: 3 stages, 4 microbatches",
                           "drawn: w.dot",
                           "saved: w.json; play it with: troupe train --batch 40 --microbatches 4"})
    CHECK_MESSAGE(shown.text.find(part) != std::string::npos, part);
  CHECK(fs::exists(here / "w.mmd"));
  CHECK(fs::exists(here / "t.dot"));
  CHECK(here.run("wiring " + job + "--draw-supervision t.png 2>&1")
            .text.find("--draw-supervision t.svg") != std::string::npos);
  const std::string run = "train " + job + "--steps 6 --warmup 0 --run-folder none --json --quiet ";
  const auto digest = [&](const std::string& more) {
    const answer a = here.run(run + more + " 2>/dev/null");
    CHECK(a.code == 0);
    return nlohmann::json::parse(a.text)["parameter_digest"];
  };
  CHECK(digest("--wiring w.json --kill layer_shard/0/1@step=2") == digest(""));
  CHECK(digest("--topology hybrid --cut measured") == digest(""));
}

TEST_CASE("dials leave the digest as it is, and the table says what was used") {
  const scratch here;
  const std::string run = "train --model mlp --data synthetic:400 --batch 40 --microbatches 4 "
                          "--steps 6 --warmup 0 --run-folder none --quiet --topology pipeline "
                          "--stages 2 --pipeline gpipe ";
  const std::string dials = "--dial depth=1@step=3 --dial prefetch:layer_shard/0/0=3 ";
  const auto end = [&](const std::string& more) {
    return nlohmann::json::parse(here.run(run + more + "--json").text);
  };
  const auto dialled = end(dials);
  CHECK(dialled["parameter_digest"] == end("")["parameter_digest"]);
  bool lowered = false;
  for (const auto& edge : dialled["credit"]) {
    CHECK(edge["kept"] == true);
    lowered = lowered || (edge["edge"] == "depth" && edge["bound"] == 1 && edge["used"] == 1);
  }
  CHECK(lowered);
  const answer shown = here.run(run + dials);
  CHECK(shown.text.find("\n\ncredit    from ") != std::string::npos);
  CHECK(here.run(run).text.find("credit") == std::string::npos);
  CHECK(here.run(run + "--dial depth=9 2>&1").text.find("use 1 to 4") != std::string::npos);
}

TEST_CASE("a picture needs a kind that is known, and graphviz for svg") {
  const scratch here;
  const std::string job = "wiring --model mlp --data synthetic:400 --batch 40 ";
  const answer kind = here.run(job + "--draw w.png 2>&1");
  CHECK(kind.code == 2);
  CHECK(kind.text == "error: '.png' is no kind of picture\n"
                     "  --> --draw w.png\n"
                     "  .svg, .dot and .mmd are known\n"
                     "  help: --draw w.svg\n");
  const answer missing = here.run(job + "--draw w.svg 2>&1 >/dev/null", "PATH=/no/such/folder");
  CHECK(missing.code == 3);
  CHECK(missing.text == "error: the program dot is missing\n"
                        "  --> --draw w.svg\n"
                        "  it is not in the PATH\n"
                        "  help: apt install graphviz\n");
  CHECK(fs::is_empty(here.path()));
}

TEST_CASE("a missing data set exits with 3 and names the package") {
  const scratch here;
  const answer a = here.run("train 2>&1", "TROUPE_DATA_DIR=/no/such/folder");
  CHECK(a.code == 3);
  CHECK(a.text.find("apt install dataset-fashion-mnist") != std::string::npos);
  CHECK(fs::is_empty(here.path()));
}

TEST_CASE("unwritable and unreadable paths are told before training") {
  const scratch here;
  const answer save = here.run(std::string(small) + "--save /no/such/folder/w 2>&1");
  CHECK(save.code == 3);
  CHECK(save.text == "error: cannot write /no/such/folder/w\n"
                     "  --> --save /no/such/folder/w\n"
                     "  there is no folder /no/such/folder\n"
                     "  help: choose a path in a folder that exists and that you may write\n");
  const answer load = here.run(std::string(small) + "--load gone 2>&1");
  CHECK(load.code == 2);
  CHECK(load.text.find("--> --load gone") != std::string::npos);
  CHECK(fs::is_empty(here.path()));
}

TEST_CASE("a truncated file of weights fails and leaves no run folder") {
  const scratch here;
  end_of(here, "--run-folder none --save whole");
  std::string bytes(1000, '\0');
  std::ifstream(here / "whole").read(bytes.data(), 1000);
  std::ofstream(here / "cut") << bytes;
  const answer a = here.run(std::string(small) + "--load cut 2>&1");
  CHECK(a.code == 1);
  CHECK(a.text.find("error: ") != std::string::npos);
  CHECK(a.text.find("cut") != std::string::npos);
  CHECK((!fs::exists(here / "runs") || fs::is_empty(here / "runs")));
}

TEST_CASE("a training that cannot start touches no file that was there") {
  const scratch here;
  end_of(here, "--run-folder r --save whole --metrics m.jsonl");
  const auto content = [&](const char* name) {
    std::ifstream in(here / name);
    return std::string{std::istreambuf_iterator<char>(in), {}};
  };
  std::ofstream(here / "cut") << content("whole").substr(0, 1000);
  const auto metrics = content("m.jsonl"), kept = content("r/metrics.jsonl");
  REQUIRE(!metrics.empty());
  const auto fails = [&](const std::string& words) {
    CAPTURE(words);
    CHECK(here.run(words + " --metrics m.jsonl --quiet 2>&1").code > 0);
    CHECK(content("m.jsonl") == metrics);
    CHECK(content("r/metrics.jsonl") == kept);
    CHECK((!fs::exists(here / "runs") || fs::is_empty(here / "runs")));
  };
  const std::string train = small;
  fails(train + "--load cut");
  fails(train + "--load missing.safetensors");
  fails(train + "--run-folder none --kill layer_shard/0@step=99");
  fails("train --resume r --batch 20");
}

TEST_CASE("a training leaves its run folder, metrics and weights") {
  const scratch here;
  const auto end = end_of(here, "--metrics m.jsonl --digest-every 4 --save w --run-folder r");
  CHECK(end["steps"] == 12);
  CHECK(last_line(here / "m.jsonl") == end);
  CHECK(last_line(here / "r/metrics.jsonl") == end);
  CHECK(fs::exists(here / "r/job.toml"));
  CHECK(fs::exists(here / "r/log.jsonl"));
  CHECK_FALSE(fs::is_empty(here / "r/checkpoints"));
  const answer eval = here.run("eval --model mlp --data synthetic:400 --load w --json");
  CHECK(eval.code == 0);
  const auto found = nlohmann::json::parse(eval.text);
  CHECK(found["accuracy"].get<double>() ==
        doctest::Approx(end["test_accuracy"].get<double>()).epsilon(1e-9));
  const answer again = here.run(std::string(small) + "--run-folder r 2>&1");
  CHECK(again.code == 2);
  CHECK(again.text.find("a second run never overlays the first") != std::string::npos);
}

TEST_CASE("a training and a simulation leave a timeline, and say what opens it") {
  const scratch here;
  for (const std::string command : {"train --run-folder none", "simulate"}) {
    CAPTURE(command);
    const answer a = here.run(command + " --model mlp --data synthetic:400 --batch 40 --steps 6 "
                                        "--timeline t.json --timeline-steps 2 2>&1");
    CHECK(a.code == 0);
    CHECK(a.text.find("open t.json in ui.perfetto.dev") != std::string::npos);
    std::ifstream file(here / "t.json");
    const auto events = nlohmann::json::parse(file)["traceEvents"];
    CHECK(std::any_of(events.begin(), events.end(), [](const auto& e) {
      return e["name"] == "step 5 committed";
    }));
    CHECK(std::none_of(events.begin(), events.end(), [](const auto& e) {
      return e["name"] == "step 2 committed";
    }));
  }
  const answer nowhere = here.run(std::string(small) + "--timeline no/such/folder/t.json 2>&1");
  CHECK(nowhere.code != 0);
  CHECK(nowhere.text.find("--timeline no/such/folder/t.json") != std::string::npos);
}

TEST_CASE("a run's own configuration gives the same bits again") {
  const scratch here;
  const auto first = end_of(here, "--run-folder r --seed 5");
  const answer a = here.run("train --config r/job.toml --run-folder none 2>/dev/null");
  CHECK(a.code == 0);
  CHECK(nlohmann::json::parse(a.text)["parameter_digest"] == first["parameter_digest"]);
}

TEST_CASE("a killed worker changes nothing but the number of restarts") {
  const scratch here;
  const std::string wiring = "--run-folder none --replicas 2 --microbatches 2 ";
  const auto undisturbed = end_of(here, wiring);
  const auto killed =
      end_of(here, wiring + "--kill layer_shard/1/0@step=5 --kill data_loader@step=8");
  CHECK(killed["restarts"] == 2);
  CHECK(killed["parameter_digest"] == undisturbed["parameter_digest"]);
}

TEST_CASE("islands train, resume, and play from a wiring's file to the same bits") {
  const scratch here;
  const std::string job =
      "--model mlp --data synthetic:400 --batch 40 --microbatches 4 --islands 2 "
      "--outer-every 3 --warmup 0 --epochs 2 ";
  const auto end = [&](const std::string& more) {
    const answer a = here.run("train " + job + more + " --quiet --json 2>talk");
    REQUIRE(a.code == 0);
    return nlohmann::json::parse(a.text)["parameter_digest"];
  };
  const auto digest = end("--run-folder r --checkpoint-every 7");
  CHECK(digest == end("--run-folder none --replicas 4 --kill gradient_aggregator/0@step=5"));
  CHECK(digest != end("--run-folder none --outer-rate 1 --outer-momentum 0"));
  CHECK(digest == end("--run-folder s --resume r/checkpoints/step-00000007"));
  const answer saved = here.run("wiring " + job + "--replicas 4 --save-wiring w.json 2>&1");
  CHECK(saved.code == 0);
  CHECK(saved.text.find("--islands 2 --wiring w.json") != std::string::npos);
  CHECK(saved.text.find("delta of an island, each 3 steps") != std::string::npos);
  CHECK(digest == end("--run-folder none --wiring w.json"));
  const answer config = here.run("train --islands 2 --print-config");
  CHECK(config.text.find("islands = 2") != std::string::npos);
  CHECK(config.text.find("outer-every = 8") != std::string::npos);
}

TEST_CASE("an interrupted run saves, tells how to resume, and resumes to the same bits") {
  const scratch here;
  const std::string job = "train --model mlp --data synthetic:2000 --batch 40 --epochs 40 "
                          "--warmup 0 --quiet --json --digest-every 1 ";
  const answer whole = here.run(job + "--run-folder none 2>/dev/null");
  REQUIRE(whole.code == 0);
  const answer cut =
      here.run(job + "--run-folder r --metrics m.jsonl 2>talk & child=$!; "
                     "for i in $(seq 200); do "
                     "grep -q '\"event\":\"step\"' m.jsonl 2>/dev/null && break; sleep 0.05; done; "
                     "kill -INT $child; wait $child");
  CHECK(cut.code == 130);
  std::ifstream talk(here / "talk");
  const std::string said{std::istreambuf_iterator<char>(talk), {}};
  CHECK(said.find("resume with: troupe train --resume r\n") != std::string::npos);
  const answer rest = here.run("train --resume r 2>/dev/null");
  CHECK(rest.code == 0);
  CHECK(nlohmann::json::parse(rest.text)["parameter_digest"] ==
        nlohmann::json::parse(whole.text)["parameter_digest"]);
}

TEST_CASE("a process killed while it saves leaves checkpoints that resume to the same bits") {
  const scratch here;
  const std::string job = "--model mlp --data synthetic:2000 --batch 40 --epochs 8 --warmup 0 "
                          "--quiet --json --checkpoint-every 1 ";
  const answer whole = here.run("train " + job + "--run-folder none 2>/dev/null");
  REQUIRE(whole.code == 0);
  int resumed = 0;
  for (const char* step : {"1", "2", "7", "20"}) { // that it writes when it is killed, or the next
    const std::string folder = std::string("r") + step;
    const auto shown = fmt::format("{}/checkpoints/step-{:0>8}", folder, step);
    here.run("train " + job + "--run-folder " + folder +
             " >/dev/null 2>&1 & child=$!; "
             "while kill -0 $child 2>/dev/null && [ ! -e " +
             shown + " ]; do sleep 0.002; done; kill -KILL $child; wait $child");
    REQUIRE(fs::exists(here / folder / "job.toml"));
    const answer rest = here.run("train --resume " + folder + " 2>talk");
    if (rest.code != 0) {
      std::ifstream talk(here / "talk");
      const std::string said{std::istreambuf_iterator<char>(talk), {}};
      CHECK(said.find("no valid checkpoint") != std::string::npos); // the first one was cut off
      continue;
    }
    ++resumed;
    CHECK(nlohmann::json::parse(rest.text)["parameter_digest"] ==
          nlohmann::json::parse(whole.text)["parameter_digest"]);
  }
  CHECK(resumed > 0);
}

TEST_CASE("keys are made, allowed, listed and forbidden") {
  const scratch here;
  CHECK(here.run("keys").text == "no keys in keys/ and none in keys/trusted\n");
  CHECK(here.run("keys --make one").code == 0);
  CHECK(here.run("keys --make two").code == 0);
  CHECK((fs::status(here / "keys/one.secret").permissions() & fs::perms::all) ==
        (fs::perms::owner_read | fs::perms::owner_write));
  const answer again = here.run("keys --make one 2>&1");
  CHECK(again.code == 1);
  CHECK(again.text.find("there is a key 'one' already") != std::string::npos);
  CHECK(here.run("keys --allow keys/one.public --nodes 1-4").text ==
        "keys/trusted: 'one' may be node 1-4\n");
  const answer list = here.run("keys");
  CHECK(list.text.find("one ") != std::string::npos);
  CHECK(list.text.find("secret, public    1-4\n") != std::string::npos);
  CHECK(list.text.find("secret, public    -\n") != std::string::npos);
  std::ifstream hidden(here / "keys/one.secret");
  std::string line, name, open, secret;
  std::getline(hidden, line);
  hidden >> name >> open >> secret;
  CHECK(list.text.find(open) != std::string::npos);
  CHECK(list.text.find(secret) == std::string::npos);
  const answer near = here.run("keys --forbid onne 2>&1");
  CHECK(near.code == 2);
  CHECK(near.text.find("did you mean 'one'?") != std::string::npos);
  CHECK(here.run("keys --forbid one").code == 0);
  CHECK(here.run("keys --nodes 3 2>&1").code == 2);
  CHECK(here.run("keys --make a/b 2>&1").code == 2);
}

TEST_CASE("doctor and print-config say what there is") {
  const scratch here;
  const answer doctor = here.run("doctor --json");
  CHECK(doctor.code == 0);
  CHECK(nlohmann::json::parse(doctor.text)["versions"].contains("CAF"));
  const answer config = here.run("train --print-config --batch 64", "TROUPE_SEED=3");
  CHECK(config.code == 0);
  CHECK(config.text.find("# flag: --batch 64\n") != std::string::npos);
  CHECK(config.text.find("# environment: TROUPE_SEED=3\n") != std::string::npos);
}

TEST_CASE("bench measures whole steps") {
  const scratch here;
  const answer a = here.run("bench --models mlp --data synthetic:400 --batch 40 --replicas 1,2 "
                            "--seconds 0.05 --repeat 1 --json 2>/dev/null");
  CHECK(a.code == 0);
  CHECK(nlohmann::json::parse(a.text.substr(0, a.text.find('\n')))["images_per_second"] > 0);
}

TEST_CASE("a simulation prints a line that plays it again, and has the digest of a live run") {
  const scratch in;
  const std::string job = "--model mlp --data synthetic:400 --batch 40 --steps 6 --warmup 0 ";
  const auto live = nlohmann::json::parse(
      in.run("train " + job + "--run-folder none --quiet --json 2>/dev/null").text);
  const std::string world =
      "--replicas 2 --link \"1 ms, 1 Gbit/s, loss 5 %\" --event \"8 ms kill layer_shard/1\" ";
  const answer first = in.run("simulate " + job + world + "--quiet 2>/dev/null");
  REQUIRE(first.code == 0);
  CHECK(first.text.find("restarts          1") != std::string::npos);
  CHECK(first.text.find("parameter digest  " + live["parameter_digest"].get<std::string>()) !=
        std::string::npos);
  const auto at = first.text.find("replay            troupe ");
  REQUIRE(at != std::string::npos);
  const auto words = first.text.substr(at + 25, first.text.find('\n', at) - at - 25);
  CHECK(in.run(words + " 2>/dev/null").text == first.text);
  const auto other = in.run("simulate " + job + world + "--world-seed 2 --json 2>/dev/null");
  const auto told = simulated(other);
  CHECK(told["parameter_digest"] == live["parameter_digest"]);
  CHECK(first.text.find(told["trace_hash"].get<std::string>()) == std::string::npos);
  CHECK(told["links"].size() == 2);
}

TEST_CASE("the scenarios of the examples play as they say, to the digest of a calm run") {
  const scratch in;
  const std::string job =
      " --model mlp --data synthetic:400 --batch 40 --warmup 0 --json --quiet 2>/dev/null";
  int played = 0;
  for (const auto& file : fs::directory_iterator(TROUPE_SCENARIOS)) {
    CAPTURE(file.path().string());
    std::ifstream text(file.path());
    std::string line, said;
    while (said.empty() && std::getline(text, line))
      if (line.starts_with("#   troupe simulate --scenario ")) said = line;
    const auto options = said.find(" --", said.find(".toml"));
    REQUIRE(options != std::string::npos);
    const auto stormy =
        in.run("simulate --scenario '" + file.path().string() + "'" + said.substr(options) + job);
    const auto calm = in.run("simulate" + said.substr(options) + job);
    REQUIRE(stormy.code == 0);
    const auto told = simulated(stormy);
    if (file.path().stem() == "storm") CHECK(told["restarts"] > 5);
    CHECK(told["parameter_digest"] == simulated(calm)["parameter_digest"]);
    ++played;
  }
  CHECK(played >= 2);
}

TEST_CASE("a simulation that stands still ends with who waits and how to see it again") {
  const scratch in;
  const answer a = in.run("simulate --model mlp --data synthetic:400 --batch 40 --steps 6 "
                          "--replicas 2 --link \"1 ms\" --event \"5 ms cut 0->1\" --quiet 2>&1");
  CHECK(a.code == 1);
  for (const char* part : {"nobody can go on", "cut links: 0 -> 1", "replay: troupe simulate "})
    CHECK_MESSAGE(a.text.find(part) != std::string::npos, part, " in\n", a.text);
}

TEST_CASE("a sweep prints a row a simulation, and each has a command that plays it alone") {
  const scratch in;
  const std::string sweep = "simulate --model mlp --data synthetic:400 --batch 10 --steps 3 "
                            "--topology hybrid --stages 4 --link \"100 us, 1 Gbit/s\" "
                            "--sweep nodes=4,6,8 --plot curves --json 2>/dev/null";
  const answer a = in.run(sweep);
  REQUIRE(a.code == 0);
  std::istringstream lines(a.text);
  std::vector<nlohmann::json> rows;
  for (std::string line; std::getline(lines, line);)
    rows.push_back(nlohmann::json::parse(line));
  REQUIRE(rows.size() == 3);
  CHECK(rows[1]["event"] == "impossible");
  CHECK(fs::exists(in / "curves/throughput.svg"));
  for (const int row : {0, 2}) {
    const auto replay = rows[row]["replay"].get<std::string>();
    const auto alone = simulated(in.run(replay.substr(7) + " 2>/dev/null"));
    CHECK(alone["trace_hash"] == rows[row]["trace_hash"]);
    CHECK(alone["images_per_second"] == rows[row]["images_per_second"]);
  }
  CHECK(in.run("simulate --model mlp --data synthetic:400 --topology pipeline --sweep nodes=99")
            .code == 2);
}

TEST_CASE("top shows the newest run, one that is named, and says what is not there") {
  const scratch here;
  const answer none = here.run("top 2>&1");
  CHECK(none.code == 2);
  CHECK(none.text.find("error: there is no run to watch") == 0);
  CHECK(here.run(std::string(small) + "--run-folder runs/first --quiet 2>&1").code == 0);
  CHECK(here.run(std::string(small) + "--run-folder runs/second --quiet 2>&1").code == 0);
  for (const char* words : {"top", "top --once", "top runs/second", "top second --once"}) {
    const answer frame = here.run(std::string(words) + " 2>&1");
    CHECK(frame.code == 0);
    CHECK(frame.text.find("runs/second: ended\nmlp on synthetic, data_parallel(") == 0);
    CHECK(frame.text.find("\nstep 12/12  digest ") != std::string::npos);
  }
  const auto first = nlohmann::json::parse(here.run("top --json runs/first").text);
  CHECK(first["state"] == "ended");
  CHECK(first["links"].empty());
  const answer wrong = here.run("top runs/firts 2>&1");
  CHECK(wrong.code == 2);
  CHECK(wrong.text == "error: there is no runs/firts\n"
                      "  --> troupe top runs/firts\n"
                      "  help: did you mean 'runs/first'?\n");
}
