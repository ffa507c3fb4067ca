// A variant on the wire is a byte, its place in the list of alternatives, and then the fields.
#pragma once

#include "net/archive.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <variant>

namespace troupe {

template <class Variant>
std::uint8_t alternative_of(const Variant& v) {
  static_assert(std::variant_size_v<Variant> < 256, "a kind takes one byte");
  return static_cast<std::uint8_t>(v.index());
}

// `kind` is that byte; `read(alternative)` reads the fields. Throws net::malformed.
template <class Variant, class Read>
Variant read_alternative(std::uint8_t kind, Read read) {
  Variant out;
  const auto take = [&]<std::size_t... Is>(std::index_sequence<Is...>) {
    const bool known = ((kind == Is && (read(out.template emplace<Is>()), true)) || ...);
    if (!known) throw net::malformed("a kind that nobody knows");
  };
  take(std::make_index_sequence<std::variant_size_v<Variant>>{});
  return out;
}

} // namespace troupe
