#include "net/frame.hpp"

#include "net/archive.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>

namespace troupe::net {

namespace {

constexpr std::uint8_t kinds = static_cast<std::uint8_t>(frame_kind::bye) + 1;

struct header {
  std::uint32_t magic = wire_magic;
  std::uint8_t version = wire_version;
  frame f;
  std::uint32_t body_bytes = 0;
  std::vector<std::uint64_t> payload_bytes;
  std::vector<std::uint64_t> checksums; // of the payloads; empty: they have none
};

std::uint64_t checksum(std::span<const std::byte> bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

template <class Archive>
void fixed_part(Archive& a, frame& f) {
  a(f.from.node, f.from.life, f.to.node, f.to.life);
  a(f.number, f.received[0], f.received[1], f.taken[0], f.taken[1], f.sent_ns, f.echo_ns);
}

void write(archive_writer& a, header h) {
  a(h.magic, h.version);
  enumeration(a, h.f.kind, kinds);
  enumeration(a, h.f.lane, lanes);
  fixed_part(a, h.f);
  a(h.body_bytes, h.payload_bytes, h.checksums);
}

header read_header(archive_reader& a) {
  header h;
  a(h.magic);
  if (h.magic != wire_magic) throw malformed("not a message of Troupe");
  a(h.version);
  if (h.version != wire_version)
    throw other_version("version " + std::to_string(h.version) + " of the wire format; this is " +
                        std::to_string(wire_version));
  enumeration(a, h.f.kind, kinds);
  enumeration(a, h.f.lane, lanes);
  fixed_part(a, h.f);
  a(h.body_bytes, h.payload_bytes, h.checksums);
  return h;
}

void check_payloads(const header& h, const std::vector<payload>& came, const frame_limits& limits) {
  if (came.size() > limits.payloads) throw malformed("too many payloads");
  if (came.size() != h.payload_bytes.size()) throw malformed("payloads are missing");
  if (!h.checksums.empty() && h.checksums.size() != came.size())
    throw malformed("checksums are missing");
  for (std::size_t i = 0; i < came.size(); ++i) {
    if (came[i].bytes.size() > limits.payload_bytes) throw malformed("a payload is too large");
    if (came[i].bytes.size() != h.payload_bytes[i]) throw malformed("a payload is cut short");
    if (!h.checksums.empty() && checksum(came[i].bytes) != h.checksums[i])
      throw malformed("a payload has changed on its way");
  }
}

} // namespace

std::size_t parcel::bytes() const {
  std::size_t out = body.size();
  for (const payload& p : payloads)
    out += p.bytes.size();
  return out;
}

std::vector<std::byte> encode(const frame& f, bool checked) {
  header h;
  h.f.kind = f.kind;
  h.f.from = f.from;
  h.f.to = f.to;
  h.f.lane = f.lane;
  h.f.number = f.number;
  std::copy_n(f.received, lanes, h.f.received);
  std::copy_n(f.taken, lanes, h.f.taken);
  h.f.sent_ns = f.sent_ns;
  h.f.echo_ns = f.echo_ns;
  h.body_bytes = static_cast<std::uint32_t>(f.content.body.size());
  for (const payload& p : f.content.payloads) {
    h.payload_bytes.push_back(p.bytes.size());
    if (checked) h.checksums.push_back(checksum(p.bytes));
  }
  std::vector<std::byte> out(sizeof(std::uint64_t));
  archive_writer a(out);
  write(a, std::move(h));
  a.write(f.content.body.data(), f.content.body.size());
  const std::uint64_t sum = checksum(std::span(out).subspan(sizeof sum));
  std::memcpy(out.data(), &sum, sizeof sum);
  return out;
}

frame decode(std::span<const std::byte> first,
             std::vector<payload> payloads,
             const frame_limits& limits) {
  archive_reader a(first);
  std::uint64_t sum = 0;
  a(sum);
  const auto checked = a.rest();
  header h = read_header(a); // before the checksum: what is of another version says so
  if (checksum(checked) != sum) throw malformed("a message has changed on its way");
  if (h.body_bytes > limits.body_bytes) throw malformed("a body is too large");
  if (a.rest().size() != h.body_bytes) throw malformed("a body is cut short");
  check_payloads(h, payloads, limits);
  if (h.f.kind != frame_kind::parcel && !payloads.empty())
    throw malformed("payloads where none belong");
  if (h.f.kind == frame_kind::parcel && h.f.number == 0) throw malformed("a parcel without number");
  h.f.content.body.assign(a.rest().begin(), a.rest().end());
  h.f.content.payloads = std::move(payloads);
  return std::move(h.f);
}

} // namespace troupe::net
