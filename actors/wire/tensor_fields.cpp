#include "actors/wire/tensor_fields.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <memory>

namespace troupe {

namespace {

constexpr std::uint8_t no_tensor = 255; // in the place of the rank
constexpr std::uintptr_t line_bytes = 64;

} // namespace

void save(net::archive_writer& a, const tensor& v) {
  a(v ? static_cast<std::uint8_t>(v.dims().rank()) : no_tensor);
  if (!v) return;
  for (const std::int64_t size : v.dims())
    a(size);
  a.attach({std::make_shared<const tensor>(v), std::as_bytes(v.values())});
}

void load(net::archive_reader& a, tensor& v) {
  v = {};
  std::uint8_t rank = 0;
  a(rank);
  if (rank == no_tensor) return;
  if (rank > shape::rank_max) throw net::malformed("a tensor of too many axes");
  std::array<std::int64_t, shape::rank_max> sizes{};
  for (int i = 0; i < rank; ++i)
    a(sizes[static_cast<std::size_t>(i)]);
  const net::payload& came = a.take_payload();
  std::uint64_t left = came.bytes.size() / sizeof(float), elements = 1; // no product may overflow
  for (int i = 0; i < rank; ++i) {
    const std::int64_t size = sizes[static_cast<std::size_t>(i)];
    if (size < 0 || static_cast<std::uint64_t>(size) > left)
      throw net::malformed("a tensor's size");
    elements *= static_cast<std::uint64_t>(size);
    if (size > 0) left /= static_cast<std::uint64_t>(size);
  }
  if (elements * sizeof(float) != came.bytes.size()) throw net::malformed("a tensor's size");
  const shape dims(std::span<const std::int64_t>(sizes.data(), rank));
  const auto* data = reinterpret_cast<const float*>(came.bytes.data());
  if (reinterpret_cast<std::uintptr_t>(data) % line_bytes == 0) {
    v = tensor(dims, came.owner, data);
    return;
  }
  auto copy = buffer_pool::global().take(dims);
  std::copy_n(came.bytes.data(), came.bytes.size(), reinterpret_cast<std::byte*>(copy.data()));
  v = std::move(copy).freeze();
}

} // namespace troupe
