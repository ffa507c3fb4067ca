#include "actors/supervision/supervision_tree.hpp"

#include "support/error_of.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

supervision_tree shop() {
  const supervisor_spec workers{
      .strategy = strategy_kind::one_for_all,
      .children = {{.id = "worker/0", .state = state_source::peers},
                   {.id = "worker/1", .restart = restart_kind::transient, .start_within = 2s}}};
  return {.root = {.children = {{.id = "store", .state = state_source::itself},
                                supervisor_of("workers", workers)}}};
}

} // namespace

TEST_CASE("a supervision tree reads as it is: who, how, with what state") {
  CHECK(shop().text() ==
        "root                          one for one, each 10 failures in 60 s, all 30 failures in "
        "60 s; in all 100 failures in 60 s\n"
        "  store                       permanent, state: its own, cannot be restarted\n"
        "  workers                     one for all, each 10 failures in 60 s, all 30 failures in "
        "60 s\n"
        "    worker/0                  permanent, state: from peers\n"
        "    worker/1                  transient, state: none, ready in 2 s\n");
  CHECK(actors_of(shop()).size() == 3);
  CHECK(mistakes_of(shop()).empty());
}

TEST_CASE("a supervision tree is drawn, whatever its names are") {
  auto t = shop();
  t.root.children[0].id = "\"<b>";
  CHECK(contains(dot(t), "b0 -> b1;"));
  CHECK(contains(dot(t), "b2 [label=\"workers\\none for all, 30 failures in 60 s\""));
  CHECK(contains(dot(t), "label=\"__b_\\npermanent\""));
  CHECK(contains(mermaid(t), "b2 --> b3"));
}

TEST_CASE("of many children the first are drawn, and how many more there are") {
  supervision_tree t;
  for (int i = 0; i < 100; ++i)
    t.root.children.push_back({.id = std::to_string(i)});
  CHECK(contains(mermaid(t), "89 more"));
  CHECK_FALSE(contains(mermaid(t), "b13["));
}

TEST_CASE("all mistakes of a supervision tree are told at once") {
  supervision_tree t{.root = {.of_each = {.failures = -1},
                              .of_all = {.window = 0ms},
                              .backoff = {.first = 9ms, .most = 3ms, .jitter = 2},
                              .children = {{.id = "a"},
                                           {.id = "a", .stop_within = -1ms},
                                           {.id = ""},
                                           supervisor_of("empty", {})}}};
  std::string all;
  for (const auto& m : mistakes_of(t))
    all += error(m).what() + std::string("\n");
  CHECK(contains(all, "-1 failures cannot be borne"));
  CHECK(contains(all, "failures cannot be counted over 0 ms"));
  CHECK(contains(all, "a back-off from 9 to 3 ms does not grow"));
  CHECK(contains(all, "jitter cannot be 2 of the delay"));
  CHECK(contains(all, "a is supervised twice"));
  CHECK(contains(all, "a deadline of a has passed before it begins"));
  CHECK(contains(all, "a child has no id"));
  CHECK(contains(all, "empty supervises nobody"));
  CHECK(mistakes_of(supervision_tree{}).at(0).what == "the tree has no actors");
}
