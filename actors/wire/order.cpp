#include "actors/wire/order.hpp"

#include "actors/wire/message_fields.hpp"
#include "net/archive.hpp"

#include <array>
#include <utility>

namespace troupe {

template <class A>
void serialize(A& a, member& v) {
  all_fields(a, v, v.node, v.life, v.term);
}

template <class A>
void serialize(A& a, placement& v) {
  all_fields(a, v, v.who, v.life, v.node);
}

template <class A>
void serialize(A& a, link_figures& v) {
  all_fields(a,
             v,
             v.from,
             v.to,
             v.stands,
             v.bytes,
             v.messages,
             v.resent,
             v.reconnections,
             v.waiting_bytes,
             v.in_flight_bytes,
             v.credit_bytes,
             v.round_trip_ns);
}

namespace order {

template <class A>
void serialize(A& a, traffic::sample& v) {
  all_fields(a, v, v.ordinal, v.link);
}

template <class A>
void serialize(A& a, traffic& v) {
  all_fields(a, v, v.samples);
}

template <class A>
void serialize(A& a, view& v) {
  all_fields(a, v, v.members, v.placements, v.start);
}

template <class A>
void serialize(A& a, place& v) {
  all_fields(a, v, v.members, v.placements);
}

template <class A>
void serialize(A& a, leave& v) {
  all_fields(a, v, v.reason);
}

template <class A>
void serialize(A& a, lost& v) {
  all_fields(a, v, v.other, v.own_term, v.reason);
}

template <class A>
void serialize(A& a, kill& v) {
  all_fields(a, v, v.who);
}

template <class A>
void serialize(A& a, over& v) {
  all_fields(a, v, v.steps, v.digest, v.interrupted, v.failure);
}

} // namespace order

namespace {

// Where a message of an actor has the role of its receiver.
constexpr auto mark = std::byte{0xFF};

using reader = cluster_order (*)(net::archive_reader&);

template <class Order>
cluster_order read(net::archive_reader& a) {
  Order out;
  a(out);
  return out;
}

template <std::size_t... Is>
constexpr auto readers(std::index_sequence<Is...>) {
  return std::array<reader, sizeof...(Is)>{read<std::variant_alternative_t<Is, cluster_order>>...};
}

constexpr std::size_t kinds = std::variant_size_v<cluster_order>;

} // namespace

bool is_order(const net::parcel& p) {
  return !p.body.empty() && p.body.front() == mark;
}

net::parcel encode(const cluster_order& o) {
  net::parcel out;
  out.body.push_back(mark);
  net::archive_writer a(out.body);
  a(static_cast<std::uint8_t>(o.index()));
  std::visit([&](const auto& content) { a(content); }, o);
  return out;
}

cluster_order decode_order(const net::parcel& p) {
  static constexpr auto table = readers(std::make_index_sequence<kinds>{});
  if (!is_order(p)) throw net::malformed("not an order");
  std::uint8_t kind = 0;
  try {
    net::archive_reader a(std::span(p.body).subspan(1));
    a(kind);
    if (kind >= kinds) throw net::malformed("a kind of order that nobody knows");
    auto out = table[kind](a);
    a.finish();
    if (!p.payloads.empty()) throw net::malformed("bytes that nobody asked for");
    return out;
  } catch (const cereal::Exception& e) {
    throw net::malformed(e.what());
  }
}

} // namespace troupe
