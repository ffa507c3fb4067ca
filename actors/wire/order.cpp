#include "actors/wire/order.hpp"

#include "actors/wire/alternatives.hpp"
#include "actors/wire/message_fields.hpp"
#include "net/archive.hpp"

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

void nanoseconds(net::archive_writer& a, const std::chrono::nanoseconds& v) {
  a(static_cast<std::int64_t>(v.count()));
}

void nanoseconds(net::archive_reader& a, std::chrono::nanoseconds& v) {
  std::int64_t count = 0;
  a(count);
  v = std::chrono::nanoseconds(count);
}

template <class A>
void serialize(A& a, wait& v) {
  net::enumeration(a, v.what, static_cast<std::size_t>(wait_kind::computation) + 1);
  a(v.from, v.step, v.block, v.blocks, v.island, v.microbatch, v.microbatches, v.guessed);
  nanoseconds(a, v.due);
}

template <class A>
void serialize(A& a, waiting_actor& v) {
  a(v.who, v.life, v.node);
  net::enumeration(a, v.state, static_cast<std::size_t>(actor_state::down) + 1);
  bool known = v.quiet.has_value();
  a(known);
  auto quiet = v.quiet.value_or(std::chrono::nanoseconds(0));
  nanoseconds(a, quiet);
  if (known) v.quiet = quiet;
  nanoseconds(a, v.remaining);
  a(v.unheard, v.last, v.waits);
}

namespace order {

template <class A>
void serialize(A& a, ask& v) {
  all_fields(a, v, v.number);
}

template <class A>
void serialize(A& a, waits& v) {
  all_fields(a, v, v.number, v.actors, v.last);
}

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
  all_fields(a, v, v.members, v.placements, v.start, v.where);
}

template <class A>
void serialize(A& a, place& v) {
  all_fields(a, v, v.members, v.placements, v.begins, v.where);
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
void serialize(A& a, inject& v) {
  all_fields(a, v, v.verb, v.object);
}

template <class A>
void serialize(A& a, over& v) {
  all_fields(a, v, v.steps, v.digest, v.interrupted, v.drained, v.failure);
}

} // namespace order

namespace {

// Where a message of an actor has the role of its receiver.
constexpr auto mark = std::byte{0xFF};

} // namespace

bool is_order(const net::parcel& p) {
  return !p.body.empty() && p.body.front() == mark;
}

net::parcel encode(const cluster_order& o) {
  net::parcel out;
  out.body.push_back(mark);
  net::archive_writer a(out.body);
  a(alternative_of(o));
  std::visit([&](const auto& content) { a(content); }, o);
  return out;
}

cluster_order decode_order(const net::parcel& p) {
  if (!is_order(p)) throw net::malformed("not an order");
  std::uint8_t kind = 0;
  try {
    net::archive_reader a(std::span(p.body).subspan(1));
    a(kind);
    auto out = read_alternative<cluster_order>(kind, [&](auto& content) { a(content); });
    a.finish();
    if (!p.payloads.empty()) throw net::malformed("bytes that nobody asked for");
    return out;
  } catch (const cereal::Exception& e) {
    throw net::malformed(e.what());
  }
}

} // namespace troupe
