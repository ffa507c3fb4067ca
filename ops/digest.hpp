// 64-bit digests (XXH3). The digest of the parameters rides on every step's commit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace troupe {

std::uint64_t digest_of(const void* data, std::size_t bytes, std::uint64_t seed = 0) noexcept;

// Order matters: combine(combine(0, a), b) != combine(combine(0, b), a).
std::uint64_t digest_combine(std::uint64_t running, std::uint64_t next) noexcept;

std::string digest_text(std::uint64_t digest); // 16 hexadecimal digits

} // namespace troupe
