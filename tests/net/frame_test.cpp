#include "net/frame.hpp"

#include "net/archive.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

namespace {

using namespace troupe::net;

payload bytes_of(const std::string& text) {
  const auto kept = std::make_shared<const std::string>(text);
  return {kept, std::as_bytes(std::span(kept->data(), kept->size()))};
}

payload lent_as(const loan& l) {
  payload out;
  out.lent = l;
  return out;
}

frame example() {
  frame out;
  out.kind = frame_kind::parcel;
  out.from = {3, 0x1234567890};
  out.to = {4, 7};
  out.lane = lane_kind::bulk;
  out.number = 12;
  out.received[0] = 5;
  out.received[1] = 6;
  out.taken[0] = 7;
  out.taken[1] = 8;
  out.sent_ns = 1000;
  out.echo_ns = 900;
  out.content.body = {std::byte{1}, std::byte{2}, std::byte{3}};
  out.content.payloads = {bytes_of("a tensor's bytes"), bytes_of("")};
  return out;
}

std::string fault(std::vector<std::byte> first,
                  std::vector<payload> payloads,
                  const frame_limits& limits = {}) {
  try {
    (void)decode(first, std::move(payloads), limits);
    return "";
  } catch (const malformed& e) {
    return e.what();
  }
}

TEST_CASE("a frame says where lent payloads lie, between those that follow") {
  frame f = example();
  f.borrows = true;
  const loan first{7, 8, 9, 1000}, last{1, 2, 3, 4};
  f.content.payloads.insert(f.content.payloads.begin(), lent_as(first));
  f.content.payloads.push_back(lent_as(last));
  for (const bool checked : {false, true}) {
    const frame g = decode(encode(f, checked), example().content.payloads, {});
    CHECK(g.borrows);
    REQUIRE(g.content.payloads.size() == 4);
    CHECK(g.content.payloads[0].lent == first);
    CHECK_FALSE(g.content.payloads[1].lent);
    CHECK(g.content.payloads[1].bytes.size() == 16);
    CHECK(g.content.payloads[3].lent == last);
    CHECK(g.content.bytes() == 3 + 1000 + 16 + 4);
    CHECK(fault(encode(f, checked), {}) == "payloads are missing");
    CHECK(fault(encode(f, checked), std::vector<payload>(3)) == "payloads that nobody announced");
  }
  f.content.payloads = {lent_as(first)};
  CHECK(fault(encode(f, true), {}, {.payload_bytes = 999}) == "a payload is too large");
  CHECK(fault(encode(f, true), {}).empty());
  f.kind = frame_kind::state;
  CHECK(fault(encode(f, true), {}) == "payloads where none belong");
}

TEST_CASE("a frame comes out as it went in, its payloads without a copy") {
  const frame f = example();
  for (const bool checked : {false, true}) {
    const frame g = decode(encode(f, checked), f.content.payloads, {});
    CHECK(g.kind == f.kind);
    CHECK(g.from == f.from);
    CHECK(g.to == f.to);
    CHECK(g.lane == f.lane);
    CHECK(g.number == f.number);
    CHECK(std::equal(g.received, g.received + lanes, f.received));
    CHECK(std::equal(g.taken, g.taken + lanes, f.taken));
    CHECK(g.sent_ns == f.sent_ns);
    CHECK(g.echo_ns == f.echo_ns);
    CHECK(g.content.body == f.content.body);
    REQUIRE(g.content.payloads.size() == 2);
    CHECK(g.content.payloads[0].bytes.data() == f.content.payloads[0].bytes.data());
  }
}

TEST_CASE("parcels without payloads share a frame") {
  frame f = example();
  f.content.payloads.clear();
  f.more = {{std::byte{4}}, {}, {std::byte{5}, std::byte{6}}};
  const auto good = encode(f, true);
  const frame g = decode(good, {}, {});
  CHECK(g.content.body == f.content.body);
  CHECK(g.more == f.more);
  CHECK(fault(good, {}, {.parcels = 3}) == "too many parcels");
  CHECK(fault(good, {}, {.parcels = 4}).empty());
  CHECK(fault(good, {}, {.body_bytes = 2}) == "a body is too large");
  CHECK(fault(encode(example(), true), example().content.payloads, {.parcels = 1}).empty());
  f.kind = frame_kind::state;
  CHECK(fault(encode(f, true), {}) == "parcels where none belong");
  f.kind = frame_kind::parcel;
  f.content.payloads = example().content.payloads;
  CHECK(fault(encode(f, true), f.content.payloads) == "parcels where none belong");
  f.content.payloads = {lent_as({7, 8, 9, 1000})};
  CHECK(fault(encode(f, true), {}) == "parcels where none belong");
}

TEST_CASE("every changed byte, and every length, is noticed") {
  frame several = example();
  several.content.payloads.clear();
  several.more = {{std::byte{4}}, {std::byte{5}, std::byte{6}}};
  for (const frame& f : {example(), several}) {
    const auto good = encode(f, true);
    for (std::size_t i = 0; i < good.size(); ++i) {
      auto bad = good;
      bad[i] ^= std::byte{0x40};
      CHECK_FALSE(fault(bad, f.content.payloads).empty());
      CHECK_FALSE(
          fault({good.begin(), good.begin() + static_cast<std::ptrdiff_t>(i)}, f.content.payloads)
              .empty());
    }
    auto longer = good;
    longer.push_back(std::byte{0});
    CHECK_FALSE(fault(longer, f.content.payloads).empty());
  }
}

TEST_CASE("payloads are what the header says") {
  const frame f = example();
  const auto checked = encode(f, true), plain = encode(f, false);
  auto changed = f.content.payloads;
  changed[0] = bytes_of("a tensor's bytez");
  CHECK(fault(checked, changed) == "a payload has changed on its way");
  CHECK(fault(plain, changed).empty()); // nobody looks
  changed[0] = bytes_of("a tensor");
  CHECK(fault(plain, changed) == "a payload is cut short");
  changed.pop_back();
  CHECK(fault(plain, changed) == "payloads are missing");
}

TEST_CASE("what is beyond the limits is refused before it is looked at") {
  const frame f = example();
  const auto good = encode(f, true);
  CHECK(fault(good, f.content.payloads, {.body_bytes = 2}) == "a body is too large");
  CHECK(fault(good, f.content.payloads, {.payloads = 1}) == "too many payloads");
  CHECK(fault(good, f.content.payloads, {.payload_bytes = 15}) == "a payload is too large");
}

TEST_CASE("another version says so, whatever follows") {
  auto other = encode(example(), true);
  other[sizeof(std::uint64_t) + sizeof(std::uint32_t)] = std::byte{9};
  CHECK(fault(other, {}) ==
        "version 9 of the wire format; this is " + std::to_string(int{wire_version}));
  other[sizeof(std::uint64_t)] = std::byte{0};
  CHECK(fault(other, {}) == "not a message of Troupe");
}

TEST_CASE("a length costs no memory that the message does not have") {
  std::vector<std::byte> hostile;
  archive_writer w(hostile);
  w(std::uint32_t{0xFFFFFFFF}); // elements, and then none
  archive_reader r(hostile);
  std::vector<std::uint64_t> many;
  CHECK_THROWS_AS(r(many), malformed);
  CHECK(many.capacity() == 0);
}

TEST_CASE("a list of things that are small on the wire and large in memory is bounded") {
  const auto fault_of = [](std::size_t texts) -> std::string {
    std::vector<std::byte> body;
    archive_writer w(body);
    w(std::vector<std::string>(texts));
    archive_reader r(body);
    std::vector<std::string> back;
    try {
      r(back);
    } catch (const malformed& e) {
      return e.what();
    }
    return "";
  };
  CHECK(fault_of(1000).empty());
  CHECK(fault_of(100'000) == "a list that is too long");
}

TEST_CASE("a map is written in one way only") {
  std::vector<std::byte> body;
  archive_writer w(body);
  w(std::uint32_t{2}, std::uint32_t{5}, std::uint32_t{1}, std::uint32_t{5}, std::uint32_t{1});
  archive_reader r(body);
  std::map<std::uint32_t, std::uint32_t> back;
  CHECK_THROWS_AS(r(back), malformed);
}

} // namespace
