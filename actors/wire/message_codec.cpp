#include "actors/wire/message_codec.hpp"

#include "actors/wire/alternatives.hpp"
#include "actors/wire/message_fields.hpp"
#include "ops/assert.hpp"

#include <utility>

namespace troupe {

bool may_cross(const message& m) {
  return std::visit([]<class Message>(const Message&) { return !is_private<Message>; }, m);
}

net::parcel encode(const addressed_message& m) {
  net::parcel out;
  net::archive_writer a(out.body, &out.payloads);
  a(m.to, m.to_life, m.from, m.from_life, alternative_of(m.content));
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
  addressed_message out;
  std::uint8_t kind = 0;
  try {
    net::archive_reader a(p.body, p.payloads);
    a(out.to, out.to_life, out.from, out.from_life, kind);
    out.content = read_alternative<message>(kind, [&]<class Message>(Message& content) {
      if constexpr (is_private<Message>)
        throw net::malformed("a message that an actor says to itself");
      else
        a(content);
    });
    a.finish();
  } catch (const cereal::Exception& e) {
    throw net::malformed(e.what());
  }
  return out;
}

} // namespace troupe
