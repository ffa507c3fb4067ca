#include "actors/wire/message_codec.hpp"

#include "actors/wire/message_fields.hpp"
#include "ops/assert.hpp"

#include <array>
#include <utility>

namespace troupe {

namespace {

using reader = message (*)(net::archive_reader&);

template <class Message>
message read(net::archive_reader& a) {
  if constexpr (is_private<Message>) {
    throw net::malformed("a message that an actor says to itself");
  } else {
    Message out;
    a(out);
    return out;
  }
}

template <std::size_t... Is>
constexpr auto readers(std::index_sequence<Is...>) {
  return std::array<reader, sizeof...(Is)>{read<std::variant_alternative_t<Is, message>>...};
}

constexpr std::size_t kinds = std::variant_size_v<message>;
static_assert(kinds < 256, "a kind takes one byte");

} // namespace

bool may_cross(const message& m) {
  return std::visit([]<class Message>(const Message&) { return !is_private<Message>; }, m);
}

net::parcel encode(const addressed_message& m) {
  net::parcel out;
  net::archive_writer a(out.body, &out.payloads);
  a(m.to, m.to_life, m.from, m.from_life, static_cast<std::uint8_t>(m.content.index()));
  std::visit(
      [&]<class Message>(const Message& content) {
        if constexpr (is_private<Message>)
          TROUPE_ASSERT(false, "what an actor says to itself does not cross");
        else
          a(content);
      },
      m.content);
  return out;
}

addressed_message decode_message(const net::parcel& p) {
  static constexpr auto table = readers(std::make_index_sequence<kinds>{});
  addressed_message out;
  std::uint8_t kind = 0;
  try {
    net::archive_reader a(p.body, p.payloads);
    a(out.to, out.to_life, out.from, out.from_life, kind);
    if (kind >= kinds) throw net::malformed("a kind of message that nobody knows");
    out.content = table[kind](a);
    a.finish();
  } catch (const cereal::Exception& e) {
    throw net::malformed(e.what());
  }
  return out;
}

} // namespace troupe
