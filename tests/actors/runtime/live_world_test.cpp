#include "actors/runtime/live_world.hpp"

#include "actors/supervisor.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

using namespace troupe;
using namespace std::chrono_literals;

namespace {

const address director{.role = role_kind::director};
const address worker{.role = role_kind::layer_shard};
const address other{.role = role_kind::layer_shard, .replica = 1};
const address supervising{.role = role_kind::supervisor};

// What the actors of a test have said; waits instead of sleeping.
class notes {
public:
  void add(const std::string& text) {
    const std::lock_guard lock(mutex_);
    said_.push_back(text);
    changed_.notify_all();
  }

  bool wait_for(const std::string& text, std::chrono::milliseconds limit = 10s) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, limit, [&] { return count_locked(text) > 0; });
  }

  std::vector<std::string> all() {
    const std::lock_guard lock(mutex_);
    return said_;
  }

  int count(const std::string& text) {
    const std::lock_guard lock(mutex_);
    return count_locked(text);
  }

private:
  int count_locked(const std::string& text) const {
    int out = 0;
    for (const auto& s : said_)
      out += s == text ? 1 : 0;
    return out;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> said_;
};

// A role whose only behaviour is a function. `began` runs first in each life.
class puppet final : public role {
public:
  using handler = std::function<void(context&, const message&)>;

  puppet(context& world, handler hear, std::function<void(context&)> began)
      : world_(world), hear_(std::move(hear)), began_(std::move(began)) {}

  void started() override {
    if (began_) began_(world_);
  }

  void receive(const message& m) override { hear_(world_, m); }

private:
  context& world_;
  handler hear_;
  std::function<void(context&)> began_;
};

role_factory plays(puppet::handler hear, std::function<void(context&)> began = {}) {
  return [=](context& c) { return std::make_unique<puppet>(c, hear, began); };
}

message step(std::uint64_t n) {
  return protocol::begin_step{n};
}

std::uint64_t number(const message& m) {
  const auto* s = std::get_if<protocol::begin_step>(&m);
  return s != nullptr ? s->step : ~std::uint64_t{0};
}

role_factory supervises() {
  return [](context& c) {
    return std::make_unique<supervisor>(
        c, supervisor_options{[] {
          return supervision_tree{
              .root = {.children = {{.id = worker.text()}, {.id = other.text()}}}};
        }});
  };
}

struct gate { // holds computations until it is opened
  std::atomic<bool> open{false};

  void wait() const {
    while (!open)
      std::this_thread::sleep_for(1ms);
  }
};

} // namespace

TEST_CASE("every actor answers while all kernel threads compute") {
  notes said;
  gate kernels;
  live_world world({.kernel_threads = 2});
  for (const auto& who : {worker, other})
    world.add(who, plays([&](context& c, const message& m) {
                if (number(m) == 1)
                  c.compute(lane::kernels, [&](computation&) {
                    said.add("kernel");
                    kernels.wait();
                  });
                if (number(m) == 2) said.add("answer of " + c.self().text());
              }));
  world.start();
  world.send(worker, step(1));
  world.send(other, step(1));
  REQUIRE(said.wait_for("kernel"));
  while (said.count("kernel") < 2)
    std::this_thread::sleep_for(1ms);
  for (const auto& who : {worker, other}) {
    world.send(who, step(2));
    CHECK(said.wait_for("answer of " + who.text(), 1s));
  }
  kernels.open = true;
  world.stop();
}

TEST_CASE("what the kernels of a slow actor say is heard later, in its order") {
  notes said;
  live_world world({.kernel_threads = 1, .service_threads = 4});
  world.add(worker, plays([&](context& c, const message& m) {
              if (number(m) == 0)
                c.compute(lane::kernels, [&](computation& here) {
                  for (std::uint64_t n = 1; n <= 100; ++n)
                    here.post(step(n));
                  said.add("computed");
                });
              else
                said.add(std::to_string(number(m)));
            }));
  world.slow(worker, 20);
  world.start();
  world.send(worker, step(0));
  REQUIRE(said.wait_for("100"));
  auto all = said.all();
  std::erase(all, "computed");
  for (std::size_t i = 0; i < all.size(); ++i)
    CHECK(all[i] == std::to_string(i + 1));
  world.stop();
}

TEST_CASE("a kernel that a slow actor will not hear of any more is no loss") {
  notes said;
  live_world world({.kernel_threads = 1});
  world.add(worker, plays([&](context& c, const message& m) {
              if (number(m) == 1)
                c.compute(lane::kernels, [&](computation& here) {
                  std::this_thread::sleep_for(2ms);
                  here.post(step(2));
                  said.add("computed");
                });
              if (number(m) == 2) said.add("heard");
            }));
  world.slow(worker, 1e5);
  world.start();
  world.send(worker, step(1));
  REQUIRE(said.wait_for("computed"));
  world.stop(); // waits for no timer
  CHECK(said.count("heard") == 0);
}

TEST_CASE("kernels that wait are computed by step, and of one step the newest first") {
  notes said;
  gate first;
  live_world world({.kernel_threads = 1});
  world.add(worker, plays([&](context& c, const message& m) {
              const auto says = [&](const char* text) {
                return [&said, text](computation&) { said.add(text); };
              };
              if (number(m) != 1) return;
              c.compute(lane::kernels, 0, [&](computation&) { first.wait(); });
              c.compute(lane::kernels, 7, says("older of 7"));
              c.compute(lane::kernels, 8, says("8"));
              c.compute(lane::kernels, 7, says("newer of 7"));
              c.compute(lane::kernels, 6, says("6"));
              first.open = true;
            }));
  world.start();
  world.send(worker, step(1));
  REQUIRE(said.wait_for("8"));
  world.stop();
  CHECK(said.all() == std::vector<std::string>{"6", "newer of 7", "older of 7", "8"});
}

TEST_CASE("files are written one after the other, and nobody waits for a disk that hangs") {
  notes said;
  gate disk_answers;
  live_world world({.kernel_threads = 1});
  world.add(worker, plays([&](context& c, const message& m) {
              const auto says = [&](const char* text) {
                return [&said, text](computation&) { said.add(text); };
              };
              if (number(m) == 1) {
                c.compute(lane::files, [&](computation&) {
                  disk_answers.wait();
                  said.add("first file");
                });
                c.compute(lane::files, says("second file"));
              }
              c.compute(lane::kernels, says("kernel"));
              c.compute(lane::updates, says("update"));
              c.compute(lane::brief, says("brief"));
            }));
  world.start();
  world.send(worker, step(1));
  world.send(worker, step(2));
  REQUIRE(said.wait_for("kernel"));
  REQUIRE(said.wait_for("brief"));
  REQUIRE(said.wait_for("update"));
  disk_answers.open = true;
  REQUIRE(said.wait_for("second file"));
  world.stop();
  const auto all = said.all();
  CHECK(std::find(all.begin(), all.end(), "first file") <
        std::find(all.begin(), all.end(), "second file"));
}

TEST_CASE("abandoned computations are cancelled and not heard, and those that follow are") {
  for (const double factor : {1.0, 1e5}) { // of a slow actor, what was said before is not either
    CAPTURE(factor);
    notes said;
    gate begun;
    live_world world({.kernel_threads = 2});
    world.add(worker, plays([&](context& c, const message& m) {
                if (number(m) == 1) {
                  c.compute(lane::kernels, [&](computation& here) {
                    if (factor > 1) here.post(step(8));
                    begun.open = true;
                    while (!here.cancelled())
                      std::this_thread::sleep_for(1ms);
                    here.post(step(9));
                    said.add("ended");
                  });
                } else if (number(m) == 2) {
                  c.abandon_computations();
                  c.compute(lane::brief, [](computation& here) { here.post(step(3)); });
                } else {
                  said.add(std::to_string(number(m)));
                }
              }));
    world.slow(worker, factor);
    world.start();
    world.send(worker, step(1));
    begun.wait();
    world.send(worker, step(2));
    CHECK(said.wait_for("ended"));
    CHECK(said.wait_for("3"));
    world.send(worker, step(4));
    CHECK(said.wait_for("4"));
    CHECK(said.count("8") + said.count("9") == 0);
    world.stop();
  }
}

TEST_CASE("brief jobs run beside kernels, updates before kernels that have not begun") {
  notes said;
  gate first;
  live_world world({.kernel_threads = static_cast<int>(std::thread::hardware_concurrency())});
  world.add(worker, plays([&](context& c, const message& m) {
              const auto says = [&](const char* text) {
                return [&said, text](computation&) { said.add(text); };
              };
              if (number(m) == 1) {
                for (unsigned i = 0; i < std::thread::hardware_concurrency(); ++i)
                  c.compute(lane::kernels, [&](computation&) {
                    said.add("busy");
                    first.wait();
                  });
              } else if (number(m) == 2) {
                c.compute(lane::kernels, says("kernel"));
                c.compute(lane::updates, says("update"));
                c.compute(lane::brief, says("brief"));
              }
            }));
  world.start();
  world.send(worker, step(1));
  while (said.count("busy") < static_cast<int>(std::thread::hardware_concurrency()))
    std::this_thread::sleep_for(1ms);
  world.send(worker, step(2));
  CHECK(said.wait_for("brief"));
  CHECK(said.count("update") == 0); // no core is spare
  first.open = true;
  CHECK(said.wait_for("kernel"));
  CHECK(said.wait_for("update"));
  world.stop();
}

TEST_CASE("no actor starves while another one talks to itself for ever") {
  notes said;
  live_world world({.kernel_threads = 1});
  std::atomic<bool> ending{false};
  world.add(worker, plays([&](context& c, const message& m) {
              if (!ending) c.send(c.self(), m);
            }));
  world.add(other, plays([&](context&, const message&) { said.add("heard"); }));
  world.start();
  for (int i = 0; i < 8; ++i)
    world.send(worker, step(1));
  std::this_thread::sleep_for(20ms);
  world.send(other, step(1));
  CHECK(said.wait_for("heard", 2s));
  ending = true;
  world.stop();
}

TEST_CASE("messages between two actors arrive in order") {
  notes said;
  live_world world({.kernel_threads = 2});
  world.add(worker, plays([&](context& c, const message& m) {
              if (number(m) == 0)
                for (std::uint64_t i = 1; i <= 500; ++i)
                  c.send(other, step(i));
            }));
  world.add(other, plays([&](context&, const message& m) { said.add(std::to_string(number(m))); }));
  world.start();
  world.send(worker, step(0));
  REQUIRE(said.wait_for("500"));
  const auto all = said.all();
  REQUIRE(all.size() == 500);
  for (std::size_t i = 0; i < all.size(); ++i)
    CHECK(all[i] == std::to_string(i + 1));
  world.stop();
}

TEST_CASE("a timer tells its actor once, not before its time") {
  notes said;
  live_world world({.kernel_threads = 1});
  std::atomic<std::int64_t> waited{0};
  world.add(worker, plays([&](context& c, const message& m) {
              if (number(m) == 1) {
                waited -= c.now().count();
                c.send_after(30ms, step(2));
              } else if (number(m) == 2) {
                waited += c.now().count();
                said.add("rang");
              }
            }));
  world.start();
  world.send(worker, step(1));
  REQUIRE(said.wait_for("rang"));
  CHECK(waited >= std::chrono::nanoseconds(30ms).count());
  world.stop();
  CHECK(said.count("rang") == 1);
}

TEST_CASE("what a computation of a killed actor reports, its successor does not hear") {
  notes said;
  gate late;
  live_world world({.kernel_threads = 1});
  world.add(supervising, supervises());
  world.add(director, plays([](context&, const message&) {}));
  world.add(worker,
            plays(
                [&](context& c, const message& m) {
                  if (number(m) == 1)
                    c.compute(lane::kernels, [&](computation& here) {
                      said.add("computing");
                      late.wait();
                      said.add(here.cancelled() ? "cancelled" : "not cancelled");
                      here.post(step(7));
                      said.add("posted");
                    });
                  if (number(m) == 7) said.add("heard from the dead");
                  if (number(m) == 8) said.add("heard");
                },
                [&](context& c) { said.add("life " + std::to_string(c.life())); }));
  world.start();
  world.send(worker, step(1));
  REQUIRE(said.wait_for("computing"));
  world.kill(worker);
  REQUIRE(said.wait_for("life 2"));
  late.open = true;
  REQUIRE(said.wait_for("posted"));
  world.send(worker, step(8));
  REQUIRE(said.wait_for("heard"));
  CHECK(said.count("cancelled") == 1);
  CHECK(said.count("heard from the dead") == 0);
  world.stop();
}

#if !defined(__SANITIZE_THREAD__) // there all actors wait for the one that hangs
TEST_CASE("an actor that hangs in a handler or a computation is replaced, and not heard any more") {
  for (const bool in_computation : {false, true}) {
    CAPTURE(in_computation);
    notes said;
    gate hanging;
    live_world world(
        {.progress_within = [](const address&) { return 10ms; }, .progress_tick = 5ms});
    world.add(supervising, supervises());
    world.add(director, plays([&](context&, const message& m) {
                if (number(m) == 7) said.add("heard from the dead");
                if (number(m) == 8) said.add("heard");
              }));
    world.add(worker,
              plays(
                  [&](context& c, const message& m) {
                    if (number(m) == 2) c.send(director, step(8));
                    if (number(m) == 7) said.add("heard itself");
                    if (number(m) != 1) return;
                    if (in_computation)
                      c.compute(lane::kernels, [&](computation& here) {
                        hanging.wait();
                        here.post(step(7));
                      });
                    else
                      hanging.wait();
                    if (!in_computation) c.send(director, step(7));
                  },
                  [&](context& c) { said.add("life " + std::to_string(c.life())); }));
    world.start();
    world.send(worker, step(1));
    REQUIRE(said.wait_for("life 2")); // the thread that hangs is replaced
    world.send(worker, step(2));
    REQUIRE(said.wait_for("heard"));
    hanging.open = true;
    world.stop();
    CHECK(said.count("life 2") == 1);
    CHECK(said.count("life 3") == 0); // one death is told once
    CHECK(said.count("heard from the dead") == 0);
    CHECK(said.count("heard itself") == 0);
  }
}
#endif

TEST_CASE("an exception ends one life, and again the same one the job, with its text") {
  for (const bool in_computation : {false, true}) {
    CAPTURE(in_computation);
    notes said;
    live_world world({.kernel_threads = 1});
    world.add(supervising, supervises());
    world.add(director, plays([&](context&, const message& m) {
                if (const auto* failed = std::get_if<protocol::job_failed>(&m))
                  said.add(failed->text.what);
              }));
    world.add(worker,
              plays([](context&, const message&) {},
                    [&](context& c) {
                      said.add("life");
                      if (!in_computation) throw std::runtime_error("the disk is on fire");
                      c.compute(lane::brief, [](computation&) {
                        throw std::runtime_error("the disk is on fire");
                      });
                    }));
    world.start();
    REQUIRE(said.wait_for("layer_shard/0/0 is down: the disk is on fire"));
    CHECK(said.count("life") > 1);
    world.stop();
  }
}

TEST_CASE("stop waits for what is computed, drops what waits, and can be called twice") {
  notes said;
  gate computing;
  live_world world({.kernel_threads = 1});
  world.add(worker, plays([&](context& c, const message&) {
              c.compute(lane::kernels, [&](computation&) {
                said.add("begun");
                computing.wait();
                said.add("ended");
              });
            }));
  world.start();
  world.send(worker, step(1));
  world.send(worker, step(2));
  REQUIRE(said.wait_for("begun"));
  std::thread opener([&] {
    std::this_thread::sleep_for(20ms);
    computing.open = true;
  });
  world.stop();
  CHECK(said.count("ended") == said.count("begun"));
  CHECK(said.count("begun") == 1);
  world.stop();
  opener.join();
}

TEST_CASE("who is to be started while the world stops does not keep it from ending") {
  struct farewell final : role {
    explicit farewell(notes& n) : said(n) {}

    ~farewell() override { said.add("the last one ended"); }

    void receive(const message&) override {}

    notes& said;
  };

  const address last{.role = role_kind::recorder}; // of all, in the order in which stop() ends them
  notes said;
  live_world world({.kernel_threads = 2});
  world.add(supervising, plays([&](context& c, const message& m) {
              if (!std::holds_alternative<protocol::down>(m)) return;
              said.add("down");
              // In vain under the thread sanitizer, where one actor runs at a time.
              said.wait_for("the last one ended", 2s);
              c.start(worker);
            }));
  world.add(worker,
            plays([](context&, const message&) {}, [&](context&) { said.add("worker began"); }));
  world.add(last, [&](context&) { return std::make_unique<farewell>(said); });
  world.start();
  REQUIRE(said.wait_for("worker began"));
  world.kill(worker);
  REQUIRE(said.wait_for("down"));
  world.stop();
  CHECK(said.count("the last one ended") == 1);
  CHECK(said.count("worker began") == 1);
}
