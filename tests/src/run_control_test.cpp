#include "src/small_jobs.hpp"
#include "support/deadline.hpp"
#include "support/scratch_folder.hpp"
#include "troupe/control_line.hpp"
#include "troupe/control_server.hpp"
#include "troupe/unix_socket.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

std::map<std::string, control_request> echo() {
  return {
      {"echo", [](const control_arguments& r) { return r.at("text"); }},
      {"long", [](const control_arguments&) { return std::string(std::size_t{2} << 20U, 'x'); }},
      {"refuse", [](const control_arguments&) -> std::string {
         throw error({.what = "not so", .where = "there", .why = "because", .help = "do so"});
       }}};
}

// What is said on a connection of one's own, as bytes.
class raw_client {
public:
  explicit raw_client(const std::string& path) : connection_(connect_to(path)) {
    REQUIRE(connection_.get() >= 0);
  }

  void say(const std::string& bytes) {
    for (std::size_t said = 0; said < bytes.size();) {
      pollfd one{connection_.get(), POLLOUT, 0};
      ::poll(&one, 1, 2000);
      const auto n =
          ::send(connection_.get(), bytes.data() + said, bytes.size() - said, MSG_NOSIGNAL);
      if (n < 0) return; // it was hung up on
      said += static_cast<std::size_t>(n);
    }
  }

  // A line; empty: hung up, or nothing within two seconds.
  std::string line() {
    std::string out;
    for (char c = 0; c != '\n';) {
      pollfd one{connection_.get(), POLLIN, 0};
      if (::poll(&one, 1, 2000) <= 0 || ::recv(connection_.get(), &c, 1, 0) <= 0) return {};
      out += c;
    }
    return out;
  }

private:
  owned_descriptor connection_;
};

template <class Do>
error_text refusal_of(const Do& action) {
  try {
    action();
  } catch (const error& e) {
    return e.text();
  }
  return {};
}

bool answers(const std::string& path) {
  return ask_run(path, {{"ask", "echo"}, {"text", "there"}}) == "there";
}

} // namespace

TEST_CASE("a run is asked over its socket, which is the owner's alone and goes with it") {
  const scratch_folder in;
  const auto path = in.file("control");
  {
    const control_server server(path, echo());

    struct stat what {};

    REQUIRE(::stat(path.c_str(), &what) == 0);
    CHECK((what.st_mode & 0777) == 0600);
    const std::string text = "two lines\nand \"quotes\", \xc3\xa4";
    CHECK(ask_run(path, {{"ask", "echo"}, {"text", text}}) == text);
    CHECK(ask_run(path, {{"ask", "long"}}).size() == std::size_t{2} << 20U);
  }
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("a refusal comes with its words, and an unknown request with those that are known") {
  const scratch_folder in;
  const control_server server(in.file("control"), echo());
  const auto refused = refusal_of([&] { ask_run(in.file("control"), {{"ask", "refuse"}}); });
  CHECK(refused.what == "not so");
  CHECK(refused.where == "there");
  CHECK(refused.why == "because");
  CHECK(refused.help == "do so");
  const auto unknown = refusal_of([&] { ask_run(in.file("control"), {{"ask", "sing"}}); });
  CHECK(unknown.what == "no request is 'sing'");
  CHECK(unknown.why == "the run knows echo, long, refuse");
}

TEST_CASE("a path that is longer than a socket's address may be has a control socket as well") {
  const scratch_folder in;
  const auto folder = in.file(std::string(120, 'f')) + "/" + std::string(120, 'g');
  std::filesystem::create_directories(folder);
  const control_server server(folder + "/control", echo());
  CHECK(answers(folder + "/control"));
}

TEST_CASE("a socket that a killed run left is taken over; one that answers is not") {
  const scratch_folder in;
  const auto path = in.file("control");
  { const auto left = listen_at(path); }
  REQUIRE(std::filesystem::exists(path));
  CHECK(refusal_of([&] {
          ask_run(path, {{"ask", "echo"}});
        }).why == "its process is gone, and has left the socket behind");
  const control_server server(path, echo());
  CHECK(refusal_of([&] { const control_server second(path, echo()); }).what ==
        "a run that goes on has this run folder");
  CHECK(answers(path));
  CHECK(refusal_of([&] {
          ask_run(in.file("none"), {{"ask", "echo"}});
        }).why == "it has no control socket");
}

TEST_CASE("broken and hostile clients are refused or left, and nobody else notices") {
  const scratch_folder in;
  const auto path = in.file("control");
  const control_server server(path, echo());
  const std::string deep(2000, '[');
  for (const std::string& bytes :
       {std::string("\n"),
        std::string("what\n"),
        std::string("{\"ask\": 3}\n"),
        deep + "\n",
        std::string("{\"ask\": \"echo\"\n"),
        std::string("[]\n"),
        std::string("\0\xff\xfe\n", 4),
        std::string("{\"ask\": \"echo\", \"text\": {\"a\": \"b\"}}\n")}) {
    raw_client c(path);
    c.say(bytes);
    const auto line = c.line();
    CAPTURE(bytes);
    REQUIRE_FALSE(line.empty());
    CHECK(nlohmann::json::parse(line)["ok"] == false);
    c.say(request_line({{"ask", "echo"}, {"text", "again"}}));
    CHECK(c.line() == answer_line("again"));
  }
  raw_client endless(path);
  endless.say(std::string(1 << 20, 'x'));
  raw_client half(path);
  half.say("{\"ask\":");
  raw_client deaf(path);
  deaf.say(request_line({{"ask", "long"}}));
  CHECK(answers(path));
}

TEST_CASE("more clients than are served at once wait, and are served when others leave") {
  const scratch_folder in;
  const auto path = in.file("control");
  const control_server server(path, echo());
  std::vector<std::unique_ptr<raw_client>> all;
  for (std::size_t i = 0; i < control_server::clients_max; ++i)
    all.push_back(std::make_unique<raw_client>(path));
  raw_client late(path);
  late.say(request_line({{"ask", "echo"}, {"text", "late"}}));
  all.clear();
  CHECK(late.line() == answer_line("late"));
}

TEST_CASE("a live run says why it waits, kills whom it is told to, and stops") {
  const deadline end(60s, "a controlled run");
  const scratch_folder in;
  const auto path = in.file("control");
  const auto w = data_parallel(small_job(100'000), {.replicas = 2, .holder_copies = 2});
  std::atomic<std::int64_t> deaths{0}, steps{0};
  auto going = cluster{}.start(w,
                               {.evaluate = false,
                                .observer =
                                    [&](const run_event& e) {
                                      if (std::holds_alternative<fault_event>(e)) ++deaths;
                                      if (std::holds_alternative<step_event>(e)) ++steps;
                                    },
                                .control = path});
  std::thread asking([&] {
    while (steps < 2)
      std::this_thread::sleep_for(1ms);
    const auto g = nlohmann::json::parse(ask_run(path, {{"ask", "why"}, {"as", "json"}}));
    CHECK(g["actors"].size() == w.roles.size());
    CHECK(ask_run(path, {{"ask", "why"}}).find("actors wait:") != std::string::npos);
    CHECK(ask_run(path, {{"ask", "why"}, {"as", "dot"}}).find("digraph waits {") == 0);
    CHECK(refusal_of([&] { ask_run(path, {{"ask", "why"}, {"as", "song"}}); }).help != "");
    CHECK(refusal_of([&] {
            ask_run(path, {{"ask", "kill"}});
          }).what == "nothing says who is to be killed");
    CHECK(refusal_of([&] {
            ask_run(path, {{"ask", "kill"}, {"who", "layer_shard/7/0"}});
          }).what == "nobody plays layer_shard/7/0");
    ask_run(path, {{"ask", "kill"}, {"who", "layer_shard/1/0"}});
    while (deaths < 1)
      std::this_thread::sleep_for(1ms);
    CHECK(refusal_of([&] {
            ask_run(path, {{"ask", "inject"}});
          }).what == "nothing says what is to go wrong");
    CHECK(refusal_of([&] {
            ask_run(path, {{"ask", "inject"}, {"fault", "cut 0->1"}});
          }).why == "a job in one process has no links");
    CHECK(ask_run(path, {{"ask", "inject"}, {"fault", "100/s kill any"}}) ==
          "100/s kill any: it is injected");
    while (deaths < 4)
      std::this_thread::sleep_for(1ms);
    ask_run(path, {{"ask", "calm"}});
    const auto said = ask_run(path, {{"ask", "faults"}});
    CHECK(said.find(" faults\n") != std::string::npos);
    CHECK(said.find("\n  kill layer_shard ") != std::string::npos); // the first of them
    const std::int64_t then = steps;
    while (steps < then + 20)
      std::this_thread::sleep_for(1ms);
    CHECK(ask_run(path, {{"ask", "faults"}}).substr(0, 9) == said.substr(0, 9));
    ask_run(path, {{"ask", "stop"}});
  });
  const auto r = going.wait();
  asking.join();
  CHECK(r.interrupted);
  CHECK(r.restarts >= 4);
  CHECK(r.faults.size() >= 4);
  CHECK_FALSE(std::filesystem::exists(path));
}
