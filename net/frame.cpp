#include "net/frame.hpp"

#include "net/archive.hpp"
#include "ops/digest.hpp"

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
  std::vector<std::uint64_t> checksums; // of the payloads that follow; empty: they have none
  std::vector<std::uint64_t> loans;     // slot, term and offset of each; empty: all follow
  std::vector<std::uint32_t> more;      // bytes of each body behind the first
};

constexpr std::size_t loan_words = 3;
constexpr std::uint64_t follows = ~std::uint64_t{0}; // in the place of the slot

std::uint64_t checksum(std::span<const std::byte> bytes) {
  return digest_of(bytes.data(), bytes.size());
}

template <class Archive>
void fixed_part(Archive& a, frame& f) {
  a(f.from.node, f.from.life, f.to.node, f.to.life);
  a(f.number, f.received[0], f.received[1], f.taken[0], f.taken[1], f.sent_ns, f.echo_ns);
  a(f.borrows);
}

void write(archive_writer& a, header h) {
  a(h.magic, h.version);
  enumeration(a, h.f.kind, kinds);
  enumeration(a, h.f.lane, lanes);
  fixed_part(a, h.f);
  a(h.body_bytes, h.payload_bytes, h.checksums, h.loans, h.more);
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
  a(h.body_bytes, h.payload_bytes, h.checksums, h.loans, h.more);
  return h;
}

std::vector<std::uint64_t> loans_of(const std::vector<payload>& all) {
  std::vector<std::uint64_t> out;
  if (std::none_of(all.begin(), all.end(), [](const payload& p) { return p.lent.has_value(); }))
    return out;
  for (const payload& p : all) {
    const loan l = p.lent.value_or(loan{.slot = follows});
    out.insert(out.end(), {l.slot, l.term, l.offset});
  }
  return out;
}

// The payloads in their order: those that came, and those that lie elsewhere.
std::vector<payload> gather(const header& h, std::vector<payload> came) {
  if (h.loans.empty()) return came;
  if (h.loans.size() != loan_words * h.payload_bytes.size()) throw malformed("loans are missing");
  std::vector<payload> out(h.payload_bytes.size());
  auto next = came.begin();
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::uint64_t* words = h.loans.data() + loan_words * i;
    if (words[0] != follows) {
      out[i].lent = loan{words[0], words[1], words[2], h.payload_bytes[i]};
    } else {
      if (words[1] != 0 || words[2] != 0) throw malformed("half a loan");
      if (next == came.end()) throw malformed("payloads are missing");
      out[i] = std::move(*next++);
    }
  }
  if (next == came.end() && came.size() == out.size()) throw malformed("loans that are none");
  if (next != came.end()) throw malformed("payloads that nobody announced");
  return out;
}

void check_bodies(const header& h, std::size_t bytes, const frame_limits& limits) {
  if (h.more.size() >= limits.parcels) throw malformed("too many parcels");
  std::uint64_t all = h.body_bytes;
  std::uint32_t largest = h.body_bytes;
  for (const std::uint32_t size : h.more) {
    all += size;
    largest = std::max(largest, size);
  }
  if (largest > limits.body_bytes) throw malformed("a body is too large");
  if (bytes != all) throw malformed("a body is cut short");
}

// REQUIRES: check_bodies().
void take_bodies(header& h, std::span<const std::byte> from) {
  const auto next = [&](std::size_t size) {
    const auto bytes = from.first(size);
    from = from.subspan(size);
    return std::vector<std::byte>(bytes.begin(), bytes.end());
  };
  h.f.content.body = next(h.body_bytes);
  for (const std::uint32_t size : h.more)
    h.f.more.push_back(next(size));
}

void check_payloads(const header& h, const std::vector<payload>& all, const frame_limits& limits) {
  if (all.size() > limits.payloads) throw malformed("too many payloads");
  if (all.size() != h.payload_bytes.size()) throw malformed("payloads are missing");
  std::size_t followed = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].size() > limits.payload_bytes) throw malformed("a payload is too large");
    if (all[i].size() != h.payload_bytes[i]) throw malformed("a payload is cut short");
    if (all[i].lent || h.checksums.empty()) continue;
    if (followed == h.checksums.size()) throw malformed("checksums are missing");
    if (checksum(all[i].bytes) != h.checksums[followed++])
      throw malformed("a payload has changed on its way");
  }
  if (followed != h.checksums.size()) throw malformed("checksums of nothing");
}

} // namespace

std::size_t parcel::bytes() const {
  std::size_t out = body.size();
  for (const payload& p : payloads)
    out += p.size();
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
  h.f.borrows = f.borrows;
  h.body_bytes = static_cast<std::uint32_t>(f.content.body.size());
  for (const payload& p : f.content.payloads) {
    h.payload_bytes.push_back(p.size());
    if (checked && !p.lent) h.checksums.push_back(checksum(p.bytes));
  }
  h.loans = loans_of(f.content.payloads);
  for (const auto& body : f.more)
    h.more.push_back(static_cast<std::uint32_t>(body.size()));
  std::vector<std::byte> out(sizeof(std::uint64_t));
  archive_writer a(out);
  write(a, std::move(h));
  a.write(f.content.body.data(), f.content.body.size());
  for (const auto& body : f.more)
    a.write(body.data(), body.size());
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
  check_bodies(h, a.rest().size(), limits);
  payloads = gather(h, std::move(payloads));
  check_payloads(h, payloads, limits);
  if (h.f.kind != frame_kind::parcel && !payloads.empty())
    throw malformed("payloads where none belong");
  if (!h.more.empty() && (h.f.kind != frame_kind::parcel || !payloads.empty()))
    throw malformed("parcels where none belong");
  if (h.f.kind == frame_kind::parcel && h.f.number == 0) throw malformed("a parcel without number");
  take_bodies(h, a.rest());
  h.f.content.payloads = std::move(payloads);
  return std::move(h.f);
}

} // namespace troupe::net
