#include "actors/wire/message_codec.hpp"

#include "net/archive.hpp"
#include "ops/random.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <type_traits>

namespace {

using namespace troupe;

tensor floats(std::vector<float> values) {
  return make_tensor({static_cast<std::int64_t>(values.size())}, values);
}

addressed_message crossed(const message& m) {
  return decode_message(encode({{.role = role_kind::layer_shard, .replica = 3, .slice = 2}, m}));
}

TEST_CASE("a message arrives at its address as it was said") {
  const auto came = crossed(protocol::begin_step{7, 5});
  CHECK(came.to == address{.role = role_kind::layer_shard, .replica = 3, .slice = 2});
  CHECK(std::get<protocol::begin_step>(came.content).step == 7);
  CHECK(std::get<protocol::begin_step>(came.content).committed == 5);
}

TEST_CASE("a message says who sent it, and for which incarnation") {
  const address from{.role = role_kind::data_loader, .replica = 4};
  const auto came = decode_message(
      encode({{.role = role_kind::layer_shard}, protocol::begin_step{7}, from, 3, 9}));
  CHECK(came.from == from);
  CHECK(came.from_life == 3);
  CHECK(came.to_life == 9);
}

TEST_CASE("shares that were dealt cross") {
  const auto begun = crossed(protocol::begin_step{.step = 7, .run = {3, 2}});
  CHECK(std::get<protocol::begin_step>(begun.content).run == tree_span{3, 2});
  const std::vector<replica_share> dealt = {{0, {0, 6}}, {1, {6, 2}}};
  const auto done = crossed(protocol::step_committed{.shares = dealt, .overtaken = 4});
  CHECK(std::get<protocol::step_committed>(done.content).shares == dealt);
  CHECK(std::get<protocol::step_committed>(done.content).overtaken == 4);
}

TEST_CASE("every float crosses with its bits, and without a copy") {
  const tensor sent = floats({std::numeric_limits<float>::quiet_NaN(),
                              std::numeric_limits<float>::infinity(),
                              -0.0F,
                              std::numeric_limits<float>::denorm_min(),
                              1.5F});
  const auto came = crossed(protocol::gradient{1, 2, {4, 8}, sent, true});
  const auto& g = std::get<protocol::gradient>(came.content);
  CHECK(g.value.data() == sent.data());
  CHECK(g.value.dims() == sent.dims());
  CHECK(g.span == tree_span{4, 8});
  CHECK(g.encoded);
}

TEST_CASE("floats that do not lie on a line are copied to one") {
  net::parcel p = encode({{}, protocol::boundary{1, 2, 3, floats({1, 2, 3})}});
  const auto kept = std::make_shared<std::vector<std::byte>>(p.payloads[0].bytes.size() + 4);
  std::copy(p.payloads[0].bytes.begin(), p.payloads[0].bytes.end(), kept->begin() + 4);
  p.payloads[0] = {kept, std::span(*kept).subspan(4)};
  const auto came = std::get<protocol::boundary>(decode_message(p).content).value;
  CHECK(reinterpret_cast<std::uintptr_t>(came.data()) % 64 == 0);
  CHECK(std::vector<float>(came.values().begin(), came.values().end()) ==
        std::vector<float>{1, 2, 3});
}

TEST_CASE("a missing tensor stays missing, one without floats stays there") {
  const auto came = crossed(protocol::reduced_gradient{1, 2, make_tensor({0}, {}), {}});
  const auto& g = std::get<protocol::reduced_gradient>(came.content);
  CHECK(g.value);
  CHECK_FALSE(g.addend);
}

TEST_CASE("the parameters at the end cross, and what is said of a shard") {
  const std::vector<tensor> parameters = {floats({1, 2}), floats({3})};
  const auto end = crossed(protocol::job_ended{9, 77, true, {.what = "it stopped"}, parameters});
  const auto& e = std::get<protocol::job_ended>(end.content);
  CHECK(e.failure.what == "it stopped");
  REQUIRE(e.parameters.size() == 2);
  CHECK(e.parameters[1].values()[0] == 3);
  const address holder{.role = role_kind::parameter_holder, .replica = 2};
  const auto came = crossed(protocol::shard_written{"c/step-7", holder, {"a", 12, 34}, "why"});
  const auto& s = std::get<protocol::shard_written>(came.content);
  CHECK(s.folder == "c/step-7");
  CHECK(s.writer == holder);
  CHECK(s.file == shard_file{"a", 12, 34});
  CHECK(s.problem == "why");
}

TEST_CASE("what an actor says to itself does not cross") {
  CHECK_FALSE(may_cross(protocol::operations_done{}));
  CHECK(may_cross(protocol::down{}));
  net::parcel p = encode({{}, protocol::stop_job{}});
  p.body.back() = static_cast<std::byte>(message(protocol::operations_done{}).index());
  CHECK_THROWS_AS(decode_message(p), net::malformed);
}

template <std::size_t I = 0>
void each_message(const auto& f) {
  if constexpr (I < std::variant_size_v<message>) {
    f(message(std::in_place_index<I>));
    each_message<I + 1>(f);
  }
}

TEST_CASE("no message cut short or with bytes changed does more than throw") {
  random_stream draw({.seed = 1});
  each_message([&](const message& m) {
    if (!may_cross(m)) return;
    const net::parcel good = encode({{}, m});
    CHECK(decode_message(good).content.index() == m.index());
    net::parcel longer = good;
    longer.body.push_back(std::byte{0});
    CHECK_THROWS_AS(decode_message(longer), net::malformed);
    for (int i = 0; i < 300; ++i) {
      net::parcel bad = good;
      bad.body[draw.below(static_cast<std::uint32_t>(bad.body.size()))] =
          static_cast<std::byte>(draw.next());
      if (draw.below(4) == 0)
        bad.body.resize(draw.below(static_cast<std::uint32_t>(bad.body.size())));
      try {
        (void)decode_message(bad);
      } catch (const net::malformed&) {
        continue;
      }
    }
  });
}

TEST_CASE("a tensor's shape is the size of its payload") {
  const auto sized = [](std::vector<std::int64_t> sizes, std::size_t floats) {
    net::parcel p;
    net::archive_writer a(p.body, &p.payloads);
    a(static_cast<std::uint8_t>(role_kind::director),
      std::uint32_t{0},
      std::uint16_t{0},
      std::uint16_t{0},
      std::uint32_t{1},
      static_cast<std::uint8_t>(role_kind::layer_shard),
      std::uint32_t{0},
      std::uint16_t{0},
      std::uint16_t{0},
      std::uint32_t{1},
      static_cast<std::uint8_t>(message(protocol::boundary{}).index()),
      std::uint64_t{0},
      std::uint32_t{0},
      std::int32_t{0},
      static_cast<std::uint8_t>(sizes.size()));
    for (const auto s : sizes)
      a(s);
    const auto bytes = std::make_shared<std::vector<float>>(floats);
    a.attach({bytes, std::as_bytes(std::span(*bytes))});
    return p;
  };
  CHECK_NOTHROW(decode_message(sized({2, 3}, 6)));
  CHECK_THROWS_AS(decode_message(sized({2, 3}, 5)), net::malformed);
  CHECK_THROWS_AS(decode_message(sized({-2, -3}, 6)), net::malformed);
  CHECK_THROWS_AS(decode_message(sized({std::int64_t{1} << 32, std::int64_t{1} << 32}, 0)),
                  net::malformed);
  CHECK_THROWS_AS(decode_message(sized({0, std::int64_t{1} << 62}, 0)), net::malformed);
  CHECK_THROWS_AS(decode_message(sized({1, 1, 1, 1, 1, 1}, 1)), net::malformed);
}

} // namespace
