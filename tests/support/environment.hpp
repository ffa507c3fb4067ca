// What people set to run a test over more draws, or over one.
#pragma once

#include <cstdint>
#include <cstdlib>

namespace troupe::test {

inline std::uint64_t number_from_environment(const char* name, std::uint64_t otherwise) {
  const char* given = std::getenv(name);
  return given == nullptr ? otherwise : std::strtoull(given, nullptr, 10);
}

// Calls check(seed, alone) for 1 to as many seeds as `all` says, or for the one that `one` names.
// False: for that one.
template <class Check>
bool for_each_seed(const char* one, const char* all, std::uint64_t otherwise, Check check) {
  if (const auto seed = number_from_environment(one, 0); seed > 0) {
    check(seed, true);
    return false;
  }
  const auto seeds = number_from_environment(all, otherwise);
  for (std::uint64_t seed = 1; seed <= seeds; ++seed)
    check(seed, false);
  return true;
}

// Draws of a test that sanitizers slow down.
constexpr std::uint64_t unless_sanitized(std::uint64_t draws, std::uint64_t sanitized) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  static_cast<void>(draws);
  return sanitized;
#else
  static_cast<void>(sanitized);
  return draws;
#endif
}

} // namespace troupe::test
