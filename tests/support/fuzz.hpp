// The loop of the fuzz drivers: mutates good files and feeds them to a reader, which must return or
// throw troupe::error, and must not allocate beyond a bound. Every iteration is a function of its
// number alone: a failure prints the command that repeats it.
//
//   fuzz_NAME [ITERATIONS [FIRST]]
#pragma once

#include "ops/error.hpp"
#include "ops/random.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <string>
#include <vector>

namespace troupe::test {

// Bytes that parsers care about, besides random ones.
inline char interesting_byte(random_stream& draw) {
  static constexpr unsigned char bytes[] = {0,   1,   4,   8,   9,   10,  31,   127,
                                            128, 139, 255, '"', '{', '}', '[',  ']',
                                            ',', ':', '-', '0', '9', 'e', '\\', ' '};
  const std::uint32_t which = draw.below(2 * sizeof bytes);
  return static_cast<char>(which < sizeof bytes ? bytes[which] : draw.below(256));
}

// A place, at times near the start: headers decide what is done with the rest.
inline std::size_t place(random_stream& draw, std::size_t size) {
  const std::size_t range = draw.below(2) == 0 ? std::min<std::size_t>(size, 64) : size;
  return draw.below(static_cast<std::uint32_t>(range));
}

inline void mutate(std::string& bytes, random_stream& draw) {
  for (std::uint32_t rounds = 1 + draw.below(4); rounds > 0; --rounds) {
    if (bytes.empty()) bytes = "x";
    const std::size_t at = place(draw, bytes.size());
    const std::size_t length = 1 + draw.below(16);
    switch (draw.below(7)) {
    case 0:
      bytes[at] = static_cast<char>(bytes[at] ^ 1 << draw.below(8));
      break;
    case 1:
      bytes[at] = interesting_byte(draw);
      break;
    case 2:
      bytes.resize(at);
      break;
    case 3:
      bytes.insert(at, length, interesting_byte(draw));
      break;
    case 4:
      bytes.erase(at, length);
      break;
    case 5:
      bytes.insert(at, std::string(bytes, place(draw, bytes.size()), length));
      break;
    default:
      // A digit for a digit: JSON stays JSON and means something else.
      if (const auto digit = std::find_if(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                                          bytes.end(),
                                          [](char c) { return c >= '0' && c <= '9'; });
          digit != bytes.end())
        *digit = static_cast<char>('0' + draw.below(10));
    }
  }
}

// The limit turns an absurd allocation into std::bad_alloc, which is a failure here.
inline void limit_memory(std::uint64_t bytes_max) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  (void)bytes_max; // their shadows need terabytes of addresses; they have limits of their own
#else
  const rlimit limit{bytes_max, bytes_max};
  ::setrlimit(RLIMIT_AS, &limit);
#endif
}

struct fuzz_target {
  const char* name;
  std::vector<std::string> corpus;
  std::function<void(const std::string&)> read; // returns, or throws error
};

inline int fuzz(int argc, char** argv, const fuzz_target& target) {
  const std::uint64_t iterations = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 20'000;
  const std::uint64_t first = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 0;
  limit_memory(std::uint64_t{1} << 30);
  std::uint64_t accepted = 0;
  for (std::uint64_t i = first; i < first + iterations; ++i) {
    random_stream draw({1, random_purpose::test, i, 0});
    std::string bytes = target.corpus[draw.below(static_cast<std::uint32_t>(target.corpus.size()))];
    mutate(bytes, draw);
    try {
      target.read(bytes);
      ++accepted;
    } catch (const error&) {
      continue;
    } catch (const std::exception& problem) {
      std::printf("fuzz_%s: %s\nrepeat with: fuzz_%s 1 %llu\n",
                  target.name,
                  problem.what(),
                  target.name,
                  static_cast<unsigned long long>(i));
      return 1;
    }
  }
  std::printf("fuzz_%s: %llu files, %llu accepted, the rest refused\n",
              target.name,
              static_cast<unsigned long long>(iterations),
              static_cast<unsigned long long>(accepted));
  return 0;
}

} // namespace troupe::test
