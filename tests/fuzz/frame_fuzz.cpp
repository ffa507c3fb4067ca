#include "actors/wire/message_codec.hpp"
#include "net/archive.hpp"
#include "support/fuzz.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <array>
#include <cstring>

using namespace troupe;
using namespace troupe::test;

namespace {

constexpr std::array<float, 64> floats{};

net::payload some_floats() {
  return {std::make_shared<int>(), std::as_bytes(std::span(floats))};
}

// The checksum is made good again: behind it is where the mistakes are.
void read_mutated(const std::string& text) {
  std::vector<std::byte> first(std::max(text.size(), sizeof(std::uint64_t)));
  std::memcpy(first.data(), text.data(), text.size());
  const std::uint64_t sum = XXH3_64bits(first.data() + sizeof sum, first.size() - sizeof sum);
  std::memcpy(first.data(), &sum, sizeof sum);
  try {
    const net::frame f = net::decode(first, {some_floats()}, {});
    (void)decode_message(f.content);
  } catch (const net::malformed& e) {
    throw error({.what = e.what()});
  }
}

std::string frame_of(const message& m) {
  net::frame f;
  f.kind = net::frame_kind::parcel;
  f.number = 1;
  f.content = encode({{.role = role_kind::layer_shard}, m});
  const auto bytes = net::encode(f, true);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

} // namespace

int main(int argc, char** argv) {
  const tensor t = make_tensor({8, 8}, floats);
  const std::vector<tensor> kept = {t};
  const std::vector<std::string> good = {
      frame_of(protocol::gradient{1, 2, {0, 4}, t, true}),
      frame_of(protocol::batch{1, 2, {t, {}, 128}}),
      frame_of(protocol::pull_parameters{3, {.role = role_kind::layer_shard}, {{1, 2}, {3, 4}}}),
      frame_of(protocol::job_ended{1, 2, false, {.what = "what", .help = "help"}, kept}),
      frame_of(protocol::evaluated{1, 2, {{0.5, 0.25}, 3, 4}, {}}),
  };
  return fuzz(argc, argv, {"frame", good, read_mutated});
}
