// What a job over several nodes tells of its nodes and links while it plays.
#include "src/nodes_of_threads.hpp"
#include "support/deadline.hpp"

#include <algorithm>
#include <map>
#include <mutex>

namespace troupe::test {

namespace {

using namespace std::chrono_literals;

std::vector<links_event> figures_of(const wiring& w, std::uint32_t count, const char* coordinator) {
  nodes_of_threads nodes{.count = count, .coordinator = coordinator};
  nodes.figures_every = 20ms;
  std::vector<links_event> out; // told by one thread, which ends with the run
  run_options options{.evaluate = false};
  options.observer = [&](const run_event& e) {
    if (const auto* l = std::get_if<links_event>(&e)) out.push_back(*l);
  };
  (void)nodes.start(w, std::move(options)).wait();
  return out;
}

} // namespace

TEST_CASE("while a job plays, node 0 tells of every node, and of each link in both directions") {
  const deadline end(60s, "figures");
  const auto w = data_parallel(small_job(200), {.replicas = 4, .holders = 1});
  const auto told = figures_of(w, 3, "inproc://figures");
  REQUIRE(told.size() > 2);
  const auto& last = told.back();
  REQUIRE(last.nodes.size() == 3);
  std::uint32_t actors = 0;
  for (const auto& n : last.nodes) {
    CHECK(n.is_up);
    CHECK(n.lost == 0);
    CHECK(n.process > 0);
    actors += n.actors;
  }
  CHECK(actors == w.roles.size());
  std::map<std::pair<std::uint32_t, std::uint32_t>, link_figures> links;
  for (const auto& l : last.links)
    links[{l.from, l.to}] = l;
  CHECK(links.size() == 6);
  for (const std::uint32_t worker : {1U, 2U})
    for (const auto& l : {links.at({0, worker}), links.at({worker, 0})}) {
      CHECK(l.stands);
      CHECK(l.bytes > 1000); // parameters and gradients
      CHECK(l.messages > 10);
      CHECK(l.credit_bytes > 0);
    }
}

TEST_CASE("figures of what was sent never fall, and time never stands") {
  const deadline end(60s, "figures");
  const auto w = data_parallel(small_job(200), {.replicas = 2, .holders = 1});
  std::map<std::pair<std::uint32_t, std::uint32_t>, link_figures> before;
  std::chrono::nanoseconds at{0};
  for (const auto& e : figures_of(w, 2, "inproc://rising")) {
    CHECK(e.at > at);
    at = e.at;
    for (const auto& l : e.links) {
      auto& b = before[{l.from, l.to}];
      CHECK(l.bytes >= b.bytes);
      CHECK(l.messages >= b.messages);
      b = l;
    }
  }
}

TEST_CASE("a job of one process has no figures of links") {
  bool told = false;
  run_options options{.evaluate = false};
  options.observer = [&](const run_event& e) {
    told = told || std::holds_alternative<links_event>(e);
  };
  (void)cluster{}.start(data_parallel(small_job(4)), std::move(options)).wait();
  CHECK_FALSE(told);
}

} // namespace troupe::test
