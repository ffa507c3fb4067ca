// Frames: [flags][payload sizes: count, a byte each][first part]. Without flag 1 the checksum is
// made good, as a peer that means harm would.
#include "net/frame.hpp"

#include "fuzz/targets/target.hpp"
#include "net/archive.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <array>

namespace troupe::fuzz {

namespace {

constexpr std::uint8_t wrong_checksum = 1;

const std::array<std::byte, 256> pattern = [] {
  std::array<std::byte, 256> out{};
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] = static_cast<std::byte>(i * 7);
  return out;
}();

net::payload payload_of(std::size_t size) {
  static const auto owner = std::make_shared<int>();
  return {owner, std::span(pattern).first(size)};
}

void make_good(std::vector<std::byte>& first) {
  if (first.size() < sizeof(std::uint64_t)) return;
  const std::uint64_t sum = XXH3_64bits(first.data() + sizeof sum, first.size() - sizeof sum);
  std::memcpy(first.data(), &sum, sizeof sum);
}

std::string seed(const net::frame& f, bool checked) {
  std::string sizes;
  for (const auto& p : f.content.payloads)
    if (!p.lent) sizes += static_cast<char>(p.bytes.size());
  return std::string{'\0', static_cast<char>(sizes.size())} + sizes +
         text_of(net::encode(f, checked));
}

} // namespace

std::vector<std::string> seeds() {
  std::vector<std::string> out;
  for (int kind = 0; kind <= static_cast<int>(net::frame_kind::bye); ++kind) {
    net::frame f;
    f.kind = static_cast<net::frame_kind>(kind);
    f.from = {1, 22};
    f.to = {0, 11};
    f.number = 1;
    f.content.body.resize(20);
    out.push_back(seed(f, false));
    f.more = {std::vector<std::byte>(3), {}};
    out.push_back(seed(f, true));
    f.more.clear();
    f.content.payloads = {payload_of(0), payload_of(200)};
    out.push_back(seed(f, true));
    out.push_back(seed(f, false));
    f.borrows = true;
    f.content.payloads[1].lent = net::loan{1, 2, 3, 200};
    out.push_back(seed(f, true));
    f.content.payloads[0].lent = net::loan{4, 5, 6, 0};
    out.push_back(seed(f, true));
  }
  return out;
}

} // namespace troupe::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace troupe::fuzz;
  using namespace troupe;
  bytes in(data, size);
  const std::uint8_t flags = in.byte();
  std::vector<net::payload> payloads(in.byte() % 8);
  for (net::payload& p : payloads)
    p = payload_of(in.byte());
  std::vector<std::byte> first = in.rest();
  if ((flags & wrong_checksum) == 0) make_good(first);
  try {
    const meter limit(first.size());
    const net::frame f = net::decode(first, std::move(payloads), {.body_bytes = 1 << 16});
    require(net::encode(f, false) == first || net::encode(f, true) == first,
            "a frame can be written in one way only");
  } catch (const net::malformed&) {
    return 0;
  }
  return 0;
}
