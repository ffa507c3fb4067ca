// How many fields a plain struct has, so that a field which nobody writes to the wire does not
// compile. (The largest number of values that the struct can be made of in braces.)
#pragma once

#include <cstddef>
#include <utility>

namespace troupe {

namespace detail {

struct any_value {
  template <class T>
  operator T&() const& noexcept; // NOLINT(google-explicit-constructor)
  template <class T>
  operator T&&() const&& noexcept; // NOLINT(google-explicit-constructor)
};

template <class T, std::size_t... Is>
constexpr bool made_of(std::index_sequence<Is...>) {
  return requires {
    T{(static_cast<void>(Is), any_value{})...};
  };
}

template <class T, std::size_t N>
constexpr std::size_t count_fields() {
  if constexpr (N == 0 || made_of<T>(std::make_index_sequence<N>()))
    return N;
  else
    return count_fields<T, N - 1>();
}

} // namespace detail

template <class T>
constexpr std::size_t field_count = detail::count_fields<T, 16>();

} // namespace troupe
