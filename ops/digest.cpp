#include "ops/digest.hpp"

#define XXH_STATIC_LINKING_ONLY // for the size of its state
#include <xxhash.h>
#ifdef TROUPE_XXHASH_DISPATCH
#include <xxh_x86dispatch.h> // the same names, for the widest vectors of this processor
#endif

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

struct running_digest::state {
  XXH3_state_t hash;
};

running_digest::running_digest() : state_(std::make_shared<state>()) {
  XXH3_64bits_reset(&state_->hash);
}

void running_digest::add(const void* data, std::size_t bytes) {
  XXH3_64bits_update(&state_->hash, data, bytes);
}

std::uint64_t running_digest::value() const {
  return XXH3_64bits_digest(&state_->hash);
}

std::string digest_text(std::uint64_t digest) {
  std::array<char, 17> out{};
  std::snprintf(out.data(), out.size(), "%016llx", static_cast<unsigned long long>(digest));
  return out.data();
}

} // namespace troupe
