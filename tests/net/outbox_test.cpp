#include "net/outbox.hpp"

#include <doctest/doctest.h>

namespace {

using namespace troupe::net;

parcel of_size(std::size_t bytes) {
  parcel out;
  out.body.resize(bytes);
  return out;
}

TEST_CASE("an outbox takes so many bytes for each peer, and says when there is room again") {
  outbox box(100);
  const node_life one{1, 11}, two{2, 22};
  outbox::hints hints;
  CHECK(box.put(one, lane_kind::small, of_size(1), hints) == sent::not_up);
  box.up(one);
  box.up(two);
  CHECK(box.put(one, lane_kind::small, of_size(60), hints) == sent::taken);
  CHECK(hints.was_empty);
  CHECK(box.put(one, lane_kind::small, of_size(60), hints) == sent::congested);
  CHECK(box.put(two, lane_kind::small, of_size(1000), hints) == sent::taken); // one of any size
  CHECK_FALSE(hints.was_empty);
  CHECK(box.take().size() == 2);
  CHECK(box.put(one, lane_kind::small, of_size(60), hints) == sent::congested);
  link_report link{.who = one, .kept_bytes = 51};
  CHECK(box.keep({link}).empty());
  link.kept_bytes = 50;
  CHECK(box.keep({link}) == std::vector<node_life>{one});
  CHECK(box.keep({link}).empty()); // told once
  CHECK(box.put(one, lane_kind::small, of_size(50), hints) == sent::taken);
}

TEST_CASE("an outbox says of whom it knows that they read tensors where they lie") {
  outbox box(100);
  outbox::hints hints;
  const node_life one{1, 11}, two{2, 22};
  box.up(one);
  box.up(two);
  (void)box.keep({{.who = one, .borrows = true}, {.who = two}});
  CHECK(box.put(one, lane_kind::bulk, of_size(1), hints) == sent::taken);
  CHECK(hints.borrows);
  CHECK(box.put(two, lane_kind::bulk, of_size(1), hints) == sent::taken);
  CHECK_FALSE(hints.borrows);
}

TEST_CASE("an outbox takes nothing for another life, nor after its end") {
  outbox box(100);
  outbox::hints hints;
  box.up({1, 11});
  CHECK(box.put({1, 12}, lane_kind::small, of_size(1), hints) == sent::not_up);
  box.up({1, 12});
  box.down({1, 11}); // of the one before
  CHECK(box.put({1, 12}, lane_kind::small, of_size(1), hints) == sent::taken);
  box.close();
  CHECK(box.put({1, 12}, lane_kind::small, of_size(1), hints) == sent::not_up);
}

} // namespace
