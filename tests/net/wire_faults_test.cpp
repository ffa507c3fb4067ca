#include "net/wire_faults.hpp"

#include <doctest/doctest.h>

using namespace troupe::net;

namespace {

using fate = wire_faults::fate;

frame parcel_to(std::uint32_t node) {
  return {.kind = frame_kind::parcel, .from = {0, 1}, .to = {node, 1}};
}

} // namespace

TEST_CASE("so many parcels to a node are lost, and then damaged, and no other frame is") {
  wire_faults wire;
  CHECK(wire.of(parcel_to(1)) == fate::arrives);
  wire.drop(1, 2);
  wire.damage(1, 1);
  auto heartbeat = parcel_to(1);
  heartbeat.kind = frame_kind::state;
  CHECK(wire.of(heartbeat) == fate::arrives);
  CHECK(wire.of(parcel_to(2)) == fate::arrives);
  CHECK(wire.of(parcel_to(1)) == fate::is_lost);
  CHECK(wire.of(parcel_to(1)) == fate::is_lost);
  CHECK(wire.of(parcel_to(1)) == fate::is_damaged);
  CHECK(wire.of(parcel_to(1)) == fate::arrives);
}

TEST_CASE(
    "a link that is cut in one direction loses every frame of that direction until it heals") {
  wire_faults wire;
  auto heartbeat = parcel_to(1);
  heartbeat.kind = frame_kind::state;
  wire.cut_to(1, true);
  CHECK(wire.of(heartbeat) == fate::is_lost);
  CHECK(wire.of(parcel_to(1)) == fate::is_lost);
  auto answer = parcel_to(0);
  answer.from = {1, 1};
  CHECK(wire.hears(answer));
  wire.cut_from(1, true);
  CHECK_FALSE(wire.hears(answer));
  wire.cut_to(1, false);
  wire.cut_from(1, false);
  CHECK(wire.of(heartbeat) == fate::arrives);
  CHECK(wire.hears(answer));
}
