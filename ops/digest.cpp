#include "ops/digest.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <array>
#include <cstdio>

namespace troupe {

std::uint64_t digest_of(const void* data, std::size_t bytes, std::uint64_t seed) noexcept {
  return XXH3_64bits_withSeed(data, bytes, seed);
}

std::uint64_t digest_combine(std::uint64_t running, std::uint64_t next) noexcept {
  const std::array<std::uint64_t, 2> pair = {running, next};
  return XXH3_64bits(pair.data(), sizeof pair);
}

std::string digest_text(std::uint64_t digest) {
  std::array<char, 17> out{};
  std::snprintf(out.data(), out.size(), "%016llx", static_cast<unsigned long long>(digest));
  return out.data();
}

} // namespace troupe
