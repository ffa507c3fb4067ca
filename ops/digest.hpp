// 64-bit digests (XXH3). The digest of the parameters rides on every step's commit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace troupe {

std::uint64_t digest_of(const void* data, std::size_t bytes, std::uint64_t seed = 0) noexcept;

// Order matters: combine(combine(0, a), b) != combine(combine(0, b), a).
std::uint64_t digest_combine(std::uint64_t running, std::uint64_t next) noexcept;

// That of bytes which come piece by piece: the same as of all of them at once.
class running_digest {
public:
  running_digest();

  void add(const void* data, std::size_t bytes);
  [[nodiscard]] std::uint64_t value() const;

private:
  struct state;
  std::shared_ptr<state> state_;
};

std::string digest_text(std::uint64_t digest); // 16 hexadecimal digits

} // namespace troupe
