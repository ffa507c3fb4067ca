// Speed of the gradient codecs on one thread, beside copying the gradient.
//   bench_codecs [floats, default 1048576]
// GB/s count the floats of the gradient, whatever the payload's size is.
#include "ops/codec.hpp"
#include "ops/random.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <ctime>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using namespace troupe;

// CPU time of this thread: what others do on the machine counts less than on the clock at the wall.
double thread_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// The median of 25 runs, after two to warm up.
template <class Work>
double gigabytes_per_second(std::size_t bytes, const Work& work) {
  std::vector<double> seconds;
  for (int i = 0; i < 27; ++i) {
    const double start = thread_seconds();
    work();
    if (i >= 2) seconds.push_back(thread_seconds() - start);
  }
  std::sort(seconds.begin(), seconds.end());
  return 1e-9 * static_cast<double>(bytes) / seconds[seconds.size() / 2];
}

std::vector<float> random_gradient(std::size_t n) {
  random_stream random(random_key{1});
  std::vector<float> out(n);
  for (float& x : out)
    x = 1e-3F * random.normal();
  return out;
}

} // namespace

int main(int count, char** arguments) try {
  const std::size_t n = count > 1 ? std::stoull(arguments[1]) : std::size_t{1} << 20;
  const std::vector<float> gradient = random_gradient(n);
  std::vector<float> decoded(n);
  const std::size_t bytes = n * sizeof(float);
  fmt::print("{} floats           encode    decode  GB/s   payload\n", n);
  const double copied =
      gigabytes_per_second(bytes, [&] { std::memcpy(decoded.data(), gradient.data(), bytes); });
  fmt::print("{:<18} {:11.2f}{:10.2f}        1 / 1.0\n", "memcpy", copied, copied);
  for (const char* name : {"fp16", "bf16", "int8", "1-bit", "top-k 0.01", "top-k 0.001"}) {
    const auto c = make_codec(name);
    std::vector<float> residual(c->has_residual() ? n : 0);
    codec_key key{.seed = 1};
    tensor payload;
    const double encoding = gigabytes_per_second(bytes, [&] {
      ++key.step;
      payload = c->encode(gradient, residual, key);
    });
    const double decoding = gigabytes_per_second(bytes, [&] { c->decode(payload, decoded); });
    fmt::print("{:<18} {:11.2f}{:10.2f}        1 / {:.1f}\n",
               name,
               encoding,
               decoding,
               static_cast<double>(bytes) / static_cast<double>(payload.bytes()));
  }

} catch (const std::exception& e) {

  fmt::print(stderr, "error: {}\n", e.what());
  return 2;
}
