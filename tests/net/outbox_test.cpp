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
  bool empty = false;
  CHECK(box.put(one, lane_kind::small, of_size(1), empty) == sent::not_up);
  box.up(one);
  box.up(two);
  CHECK(box.put(one, lane_kind::small, of_size(60), empty) == sent::taken);
  CHECK(empty);
  CHECK(box.put(one, lane_kind::small, of_size(60), empty) == sent::congested);
  CHECK(box.put(two, lane_kind::small, of_size(1000), empty) == sent::taken); // one of any size
  CHECK_FALSE(empty);
  CHECK(box.take().size() == 2);
  CHECK(box.put(one, lane_kind::small, of_size(60), empty) == sent::congested);
  link_report link{.who = one, .kept_bytes = 51};
  CHECK(box.keep({link}).empty());
  link.kept_bytes = 50;
  CHECK(box.keep({link}) == std::vector<node_life>{one});
  CHECK(box.keep({link}).empty()); // told once
  CHECK(box.put(one, lane_kind::small, of_size(50), empty) == sent::taken);
}

TEST_CASE("an outbox takes nothing for another life, nor after its end") {
  outbox box(100);
  bool empty = false;
  box.up({1, 11});
  CHECK(box.put({1, 12}, lane_kind::small, of_size(1), empty) == sent::not_up);
  box.up({1, 12});
  box.down({1, 11}); // of the one before
  CHECK(box.put({1, 12}, lane_kind::small, of_size(1), empty) == sent::taken);
  box.close();
  CHECK(box.put({1, 12}, lane_kind::small, of_size(1), empty) == sent::not_up);
}

} // namespace
