#include "actors/runtime/own_actors.hpp"

#include "support/error_of.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

// What happened, in order; waits for it.
class diary {
public:
  void add(std::string text) {
    const std::lock_guard lock(mutex_);
    lines_.push_back(std::move(text));
    changed_.notify_all();
  }

  bool wait_for(const std::string& text) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(
        lock, 30s, [&] { return std::find(lines_.begin(), lines_.end(), text) != lines_.end(); });
  }

  std::vector<std::string> all() {
    const std::lock_guard lock(mutex_);
    return lines_;
  }

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> lines_;
};

struct word {
  std::string text;
};

struct end_now {};

struct clerk : own_actor_of<clerk, word, end_now> {
  clerk(own_context& c, diary& d) : here(c), said(d) {}

  void started() override { note("begins"); }

  void stopping() override { note("stops"); }

  void on(const word& w) {
    if (w.text == "fail") throw std::runtime_error("out of ink");
    if (w.text == "ready") here.ready();
    if (w.text == "later") here.send_after(5ms, word{"now"});
    if (w.text == "pass on") here.send("b", word{"passed on"});
    note(w.text);
  }

  void on(const end_now&) { here.finish(); }

  void note(const std::string& what) {
    said.add(here.id() + " " + std::to_string(here.life()) + " " + what);
  }

  own_context& here;
  diary& said;
};

struct office {
  explicit office(supervision_tree tree) : here(tree) {
    here.observe([this](const own_event& e) {
      said.add(e.what == own_event::kind::restarted ? "restarted " + e.who + ": " + e.reason
                                                    : "given up: " + e.reason);
    });
    for (const child_spec* c : actors_of(tree))
      here.add(c->id, [this](own_context& o) { return std::make_unique<clerk>(o, said); });
    here.start();
  }

  diary said;
  own_actors here;
};

supervision_tree two() {
  return {.root = {.children = {{.id = "a"}, {.id = "b"}}}};
}

} // namespace

TEST_CASE("own actors hear what is said to them, by each other and by timers") {
  office o(two());
  o.here.send("a", word{"pass on"});
  CHECK(o.said.wait_for("b 1 passed on"));
  o.here.send("a", word{"later"});
  CHECK(o.said.wait_for("a 1 now"));
  o.here.send("a", 17); // no message of its own
  o.here.send("a", word{"after"});
  CHECK(o.said.wait_for("a 1 after"));
}

TEST_CASE("own actors that are killed or fail are restarted, and the observer hears why") {
  office o(two());
  REQUIRE(o.said.wait_for("a 1 begins"));
  o.here.kill("a");
  CHECK(o.said.wait_for("a 2 begins"));
  CHECK(o.said.wait_for("restarted a: killed"));
  o.here.send("b", word{"fail"});
  CHECK(o.said.wait_for("b 2 begins"));
  CHECK(o.said.wait_for("restarted b: out of ink"));
}

TEST_CASE("own actors begin in order, when those before are ready, and stop in the reverse one") {
  auto tree = two();
  tree.root.children[0].start_within = 60s;
  office o(tree);
  REQUIRE(o.said.wait_for("a 1 begins"));
  CHECK(o.said.all().size() == 1);
  o.here.send("a", word{"ready"});
  REQUIRE(o.said.wait_for("b 1 begins"));
  o.here.stop();
  auto all = o.said.all();
  std::erase(all, "a 1 ready"); // said when b may have begun, or stopped, already
  CHECK(all == std::vector<std::string>{"a 1 begins", "b 1 begins", "b 1 stops", "a 1 stops"});
}

TEST_CASE("an own actor that ends by itself comes back if it is permanent, and not if transient") {
  auto tree = two();
  tree.root.children[1].restart = restart_kind::transient;
  office o(tree);
  o.here.send("a", end_now{});
  CHECK(o.said.wait_for("a 2 begins"));
  o.here.send("b", end_now{});
  o.here.send("a", word{"pass on"});
  CHECK(o.said.wait_for("a 2 pass on"));
  o.here.stop();
  for (const auto& line : o.said.all())
    CHECK_FALSE(line.starts_with("b 2"));
}

TEST_CASE("own actors that fail for ever are given up within their budget, with a report") {
  auto tree = two();
  tree.root.of_each = {.failures = 3};
  tree.root.backoff.most = 5ms;
  office o(tree);
  for (int life = 1; life <= 4; ++life) {
    REQUIRE(o.said.wait_for("a " + std::to_string(life) + " begins"));
    o.here.send("a", word{"fail"});
  }
  const auto failure = o.here.wait();
  REQUIRE(failure);
  CHECK(failure->what == "a is down: out of ink");
  CHECK(failure->why == "a had more than 3 failures in 60 s");
  CHECK(o.said.wait_for("b 1 stops")); // all others stop
}

TEST_CASE("an own actor whose beginning fails twice is not begun a third time") {
  diary said;
  own_actors here({.root = {.children = {{.id = "a"}}}});
  here.add("a", [&](own_context&) -> std::unique_ptr<own_actor> {
    said.add("tried");
    throw std::runtime_error("no such file");
  });
  here.start();
  const auto failure = here.wait();
  REQUIRE(failure);
  CHECK(failure->why == "it failed the same way twice on one input: its start");
  CHECK(said.all().size() == 2);
}

TEST_CASE("own actors without a player, and players without a place, are told before the start") {
  own_actors here({.root = {.children = {{.id = "reader"}, {.id = "reader"}}}});
  CHECK_ERROR(here.start(), "reader is supervised twice");
  CHECK_ERROR(here.start(), "nobody plays reader");
  office o(two());
  CHECK_ERROR(o.here.send("c", word{"x"}), "no actor is called c");
  own_actors more(two());
  for (const char* id : {"a", "b", "ab"})
    more.add(id, [&](own_context& c) { return std::make_unique<clerk>(c, o.said); });
  CHECK_ERROR(more.start(), "no actor is called ab");
}
