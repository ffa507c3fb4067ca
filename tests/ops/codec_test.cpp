#include "ops/codec.hpp"

#include "ops/digest.hpp"
#include "ops/error.hpp"
#include "ops/random.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

using namespace troupe;

namespace {

using words = std::vector<std::uint32_t>;

constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();
constexpr float infinity = std::numeric_limits<float>::infinity();

std::uint32_t bits_of(float x) {
  return std::bit_cast<std::uint32_t>(x);
}

words words_of(const tensor& t) {
  words out(static_cast<std::size_t>(t.elements()));
  if (!out.empty()) std::memcpy(out.data(), t.data(), t.bytes());
  return out;
}

tensor tensor_of(const words& w) {
  mutable_tensor out = buffer_pool::global().take(shape{std::ssize(w)});
  if (!w.empty()) std::memcpy(out.data(), w.data(), w.size() * sizeof(float));
  return std::move(out).freeze();
}

// Without the mathematics library, whose last bits differ between versions.
std::vector<float> random_gradient(std::size_t n, std::uint64_t seed = 1) {
  random_stream random(random_key{seed});
  std::vector<float> out(n);
  for (float& x : out) {
    const float even = random.uniform(-1, 1);
    x = even * even * even;
  }
  return out;
}

std::vector<float> decoded(const codec& c, const tensor& payload, std::size_t n) {
  std::vector<float> out(n, 77.0F);
  c.decode(payload, out);
  return out;
}

// Encoded with a residual of zeros.
tensor encoded(const codec& c, const std::vector<float>& gradient, const codec_key& key = {}) {
  std::vector<float> residual(c.has_residual() ? gradient.size() : 0);
  return c.encode(gradient, residual, key);
}

std::vector<float> crossed(const std::string& name, const std::vector<float>& gradient) {
  const auto c = make_codec(name);
  return decoded(*c, encoded(*c, gradient), gradient.size());
}

const std::vector<std::string> lossy = {"fp16", "bf16", "int8", "1-bit", "top-k 0.01", "top-k 1"};

// The definitions, in doubles.
double value_of_fp16(std::uint32_t half) {
  const int exponent = static_cast<int>(half >> 10 & 31), mantissa = static_cast<int>(half & 1023);
  const double magnitude =
      exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
  return (half & 0x8000) != 0 ? -magnitude : magnitude;
}

double nearest_fp16(double x) {
  if (x == 0 || std::isinf(x)) return x;
  const double unit = std::ldexp(1, std::max(std::ilogb(x), -14) - 10);
  return std::clamp(std::nearbyint(x / unit) * unit, -65504.0, 65504.0);
}

double nearest_bf16(double x) {
  if (x == 0 || std::isinf(x)) return x;
  const double unit = std::ldexp(1, std::max(std::ilogb(x), -126) - 7);
  const double out = std::nearbyint(x / unit) * unit;
  return std::abs(out) < std::ldexp(1, 128) ? out : std::copysign(INFINITY, x);
}

// Floats of all exponents and signs, and those beside each point where a rounding to `dropped`
// bits less changes.
std::vector<float> floats_to_round(int dropped) {
  std::vector<float> out;
  for (std::uint64_t bits = 0; bits < std::uint64_t{1} << 32; bits += 4099)
    out.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
  const std::uint32_t tie = 1U << (dropped - 1);
  for (std::uint64_t bits = 0; bits < std::uint64_t{1} << 32; bits += std::uint64_t{tie} * 2 * 5)
    for (const std::uint32_t near : {tie - 1, tie, tie + 1})
      out.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(bits) + near));
  return out;
}

bool same(float x, double expected) { // with the sign of a zero
  return bits_of(x) == bits_of(static_cast<float>(expected));
}

void check_rounding(const std::string& name, double (*nearest)(double), int dropped) {
  const auto floats = floats_to_round(dropped);
  const auto out = crossed(name, floats);
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < floats.size(); ++i) {
    const bool right =
        std::isnan(floats[i]) ? std::isnan(out[i]) : same(out[i], nearest(double{floats[i]}));
    if (!right && ++wrong < 5) CHECK_MESSAGE(right, name << " of " << floats[i] << ": " << out[i]);
  }
  CHECK(wrong == 0);
}

// All 65,536 halves as a payload of the codec.
tensor payload_of_all_halves(const codec& c) {
  words w = words_of(encoded(c, std::vector<float>(65536)));
  for (std::uint32_t i = 0; i < 32768; ++i)
    w[2 + i] = (2 * i) | ((2 * i + 1) << 16);
  return tensor_of(w);
}

} // namespace

TEST_CASE("a codec's text makes the codec") {
  for (const auto& text : {"fp16", "bf16", "int8", "1-bit", "top-k 0.01", "top-k 1", "top-k 1e-05"})
    CHECK(make_codec(text)->text() == text);
  CHECK(make_codec("none") == nullptr);
  CHECK(codec_names() ==
        std::vector<std::string>{"none", "fp16", "bf16", "int8", "1-bit", "top-k"});
}

TEST_CASE("a mistaken codec is told with what was meant") {
  const auto said = [](const std::string& text) -> std::string {
    try {
      (void)make_codec(text);
    } catch (const error& e) {
      return e.what();
    }
    return "nothing";
  };
  CHECK(said("fp61") == "there is no codec 'fp61'\n"
                        "  codecs: none, fp16, bf16, int8, 1-bit, top-k\n"
                        "  help: did you mean 'fp16'?");
  CHECK(said("topk 0.1").find("did you mean 'top-k'?") != std::string::npos);
  CHECK(said("").find("there is no codec ''") == 0);
  CHECK(said("fp16 3").find("fp16 takes no number ('3')") == 0);
  for (const std::string number : {"", " ", " 0", " -0.1", " 1.5", " nan", " 0.1x", " 0.1 2"})
    CHECK(said("top-k" + number).find("top-k needs a fraction above 0 and up to 1") == 0);
}

TEST_CASE("payloads are as small as promised") {
  const auto count = [](const std::string& name, std::size_t n) {
    return encoded(*make_codec(name), random_gradient(n)).elements();
  };
  CHECK(count("fp16", 10001) == 2 + 5001);
  CHECK(count("bf16", 10001) == 2 + 5001);
  CHECK(count("int8", 10001) == 2 + 10 + 2501);
  CHECK(count("1-bit", 10001) == 2 + 2 * 10 + 313);
  CHECK(count("top-k 0.01", 10001) == 2 + 2 * 100);
  CHECK(count("top-k 0.01", 10) == 2 + 2); // at least one
  CHECK(count("top-k 1", 10) == 2 + 20);
  for (const auto& name : lossy) {
    CHECK(count(name, 0) == 2);
    CHECK(crossed(name, {}).empty());
  }
}

TEST_CASE("fp16 and bf16 round to the nearest, ties to even") {
  check_rounding("fp16", nearest_fp16, 13);
  check_rounding("bf16", nearest_bf16, 16);
  const std::vector<float> edges = {
      65504, 65519, 65520, 1e9F, -1e9F, infinity, -infinity, 0x1p-25F};
  CHECK(crossed("fp16", edges) ==
        std::vector<float>{65504, 65504, 65504, 65504, -65504, infinity, -infinity, 0});
}

TEST_CASE("every half decodes to its value and is encoded as itself") {
  const auto fp16 = make_codec("fp16"), bf16 = make_codec("bf16");
  const auto from_fp16 = decoded(*fp16, payload_of_all_halves(*fp16), 65536);
  const auto from_bf16 = decoded(*bf16, payload_of_all_halves(*bf16), 65536);
  const words again_fp16 = words_of(encoded(*fp16, from_fp16));
  const words again_bf16 = words_of(encoded(*bf16, from_bf16));
  std::size_t wrong = 0;
  for (std::uint32_t half = 0; half < 65536; ++half) {
    const int shift = half % 2 == 0 ? 0 : 16;
    const float x = from_fp16[half];
    if ((half & 0x7FFF) > 0x7C00)
      wrong += std::isnan(x) ? 0 : 1;
    else
      wrong += (again_fp16[2 + half / 2] >> shift & 0xFFFF) == half ? 0 : 1;
    if ((half & 0x7FFF) < 0x7C00) wrong += same(x, value_of_fp16(half)) ? 0 : 1;
    wrong += bits_of(from_bf16[half]) == half << 16 ? 0 : 1;
    if (!std::isnan(from_bf16[half]))
      wrong += (again_bf16[2 + half / 2] >> shift & 0xFFFF) == half ? 0 : 1;
  }
  CHECK(wrong == 0);
}

TEST_CASE("int8 is within a step, unbiased, and a function of its key") {
  const auto c = make_codec("int8");
  constexpr std::size_t n = 2500; // three chunks, the last one short
  auto gradient = random_gradient(n);
  gradient[3] = 0;
  for (std::size_t i = 1024; i < 2048; ++i)
    gradient[i] *= 1e-6F; // a scale of its own
  std::vector<double> sum(n);
  constexpr int keys = 4000;
  for (std::uint64_t step = 0; step < keys; ++step) {
    const auto out = decoded(*c, encoded(*c, gradient, {.seed = 1, .step = step}), n);
    for (std::size_t i = 0; i < n; ++i)
      sum[i] += out[i];
  }
  const auto once = decoded(*c, encoded(*c, gradient), n);
  for (std::size_t i = 0; i < n; ++i) {
    const float step = (i / 1024 == 1 ? 1e-6F : 1.0F) / 127;
    REQUIRE(std::abs(once[i] - gradient[i]) <= step);
    REQUIRE(std::abs(sum[i] / keys - gradient[i]) < 5.5 * 0.5 * step / std::sqrt(keys));
  }
  CHECK(sum[3] == 0);

  const codec_key key{.seed = 1, .step = 2, .block = 3, .first_microbatch = 4};
  const words base = words_of(encoded(*c, gradient, key));
  words elsewhere;
  std::thread([&] { elsewhere = words_of(encoded(*c, gradient, key)); }).join();
  CHECK(elsewhere == base);
  for (int part = 0; part < 4; ++part) {
    codec_key other = key;
    (part == 0 ? other.seed : other.step) += part < 2 ? 1 : 0;
    other.block += part == 2 ? 1 : 0;
    other.first_microbatch += part == 3 ? 1 : 0;
    CHECK(words_of(encoded(*c, gradient, other)) != base);
  }
}

TEST_CASE("the extremes of an int8 chunk are exact, and the tiniest gradients vanish") {
  const auto out = crossed("int8", {127, -127, 1, 2, 0, -0.0F});
  CHECK(out == std::vector<float>{127, -127, 1, 2, 0, 0});
  CHECK(crossed("int8", {1e-37F, -1e-45F}) == std::vector<float>{0, 0});
  const auto large = crossed("int8", {3e38F, -3e38F});
  CHECK(large[0] == doctest::Approx(3e38));
  CHECK(large[1] == doctest::Approx(-3e38));
}

TEST_CASE("1-bit sends signs with the means of both sides and keeps the rest") {
  const auto c = make_codec("1-bit");
  std::vector<float> residual = {0, 1, 0, 0, 0};
  const std::vector<float> gradient = {1, 2, -4, 0, -2};
  const auto payload = c->encode(gradient, residual, {});
  CHECK(decoded(*c, payload, 5) ==
        std::vector<float>{4.0F / 3, 4.0F / 3, -3, 4.0F / 3, -3}); // of 1, 3, -4, 0, -2
  CHECK(residual == std::vector<float>{1 - 4.0F / 3, 3 - 4.0F / 3, -1, -4.0F / 3, 1});
}

TEST_CASE("top-k sends the largest, of equal ones those of lower index") {
  for (const std::size_t n : {1U, 7U, 1000U, 5000U})
    for (const float levels : {1.0F, 5.0F, 1e6F}) { // few levels: many ties
      auto gradient = random_gradient(n, n);
      for (float& x : gradient)
        x = std::round(x * levels) / levels;
      std::vector<std::size_t> order(n);
      std::iota(order.begin(), order.end(), std::size_t{0});
      std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        return std::abs(gradient[a]) > std::abs(gradient[b]);
      });
      std::vector<float> expected(n), residual(n), left = gradient;
      const std::size_t k = std::max<std::size_t>(1, (n + 5) / 10);
      for (std::size_t j = 0; j < k; ++j)
        expected[order[j]] = std::exchange(left[order[j]], 0.0F);
      const auto c = make_codec("top-k 0.1");
      CHECK(decoded(*c, c->encode(gradient, residual, {}), n) == expected);
      CHECK(residual == left);
    }
  CHECK(crossed("top-k 1", random_gradient(100)) == random_gradient(100));
}

TEST_CASE("what a residual holds back is sent later: nothing is lost") {
  constexpr std::size_t n = 3000;
  for (const std::string name : {"1-bit", "top-k 0.01"}) {
    const auto c = make_codec(name);
    std::vector<float> residual(n);
    std::vector<double> sent(n), given(n);
    for (std::uint64_t step = 0; step < 50; ++step) {
      const auto gradient = random_gradient(n, step);
      const auto out = decoded(*c, c->encode(gradient, residual, {.step = step}), n);
      for (std::size_t i = 0; i < n; ++i) {
        sent[i] += out[i];
        given[i] += gradient[i];
      }
    }
    for (std::size_t i = 0; i < n; ++i)
      REQUIRE(sent[i] + residual[i] == doctest::Approx(given[i]).epsilon(1e-4));
  }
}

TEST_CASE("a gradient that is not finite stays so") {
  for (const auto& name : lossy)
    for (const float bad : {not_a_number, -not_a_number, infinity, -infinity}) {
      auto gradient = random_gradient(3000);
      gradient[2000] = bad;
      const auto out = crossed(name, gradient);
      CHECK(!std::isfinite(out[2000]));
      if (std::isnan(bad)) CHECK(std::isnan(out[2000]));
      CHECK(std::isfinite(out[0]));
    }
}

// Pinned: all instruction sets, compilers and later versions must give these bits.
TEST_CASE("payloads have the same bits everywhere") {
  const auto digest = [](const std::string& name) {
    const auto c = make_codec(name);
    auto gradient = random_gradient(10001);
    gradient[17] = not_a_number;
    gradient[1500] = 1e-40F;
    std::vector<float> residual(c->has_residual() ? gradient.size() : 0, 0.25F);
    const auto payload = c->encode(gradient, residual, {1, 2, 3, 4});
    const auto out = decoded(*c, payload, gradient.size());
    std::uint64_t d = digest_of(payload.data(), payload.bytes());
    d = digest_of(residual.data(), residual.size() * sizeof(float), d);
    return digest_text(digest_of(out.data(), out.size() * sizeof(float), d));
  };
  CHECK(digest("fp16") == "3458bc8c5c3dba7b");
  CHECK(digest("bf16") == "4b8e249c5336a163");
  CHECK(digest("int8") == "43224b3a1a57dcab");
  CHECK(digest("1-bit") == "393e334edf763aab");
  CHECK(digest("top-k 0.01") == "e9ada218f36e0053");
}

TEST_CASE("a malformed payload is an error") {
  constexpr std::size_t n = 3000;
  const auto fails = [](const codec& c, const words& w) {
    CHECK_THROWS_AS(decoded(c, tensor_of(w), n), error);
  };
  for (const auto& name : lossy) {
    const auto c = make_codec(name);
    const words good = words_of(encoded(*c, random_gradient(n)));
    for (std::size_t size = 0; size < good.size(); size += 1 + size / 3)
      fails(*c, words(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size)));
    CHECK_THROWS_AS(decoded(*c, tensor{}, n), error);
    CHECK_THROWS_AS(decoded(*c, tensor_of(good), n - 1), error);
    words longer = good, other = good, count = good;
    longer.push_back(0);
    fails(*c, longer);
    other[0] ^= 8; // another codec's mark
    fails(*c, other);
    count[1] += 1;
    fails(*c, count);
  }
  const auto int8 = make_codec("int8"), one_bit = make_codec("1-bit"),
             top_k = make_codec("top-k 1");
  for (const float scale : {not_a_number, -1.0F, -infinity}) {
    words w = words_of(encoded(*int8, random_gradient(n)));
    w[2 + 257] = bits_of(scale); // the second chunk's
    fails(*int8, w);
    w = words_of(encoded(*one_bit, random_gradient(n)));
    w[3] = bits_of(scale); // the first chunk's negative mean
    fails(*one_bit, w);
  }
  const words good = words_of(encoded(*top_k, random_gradient(n)));
  for (const std::uint32_t index : {0U, 11U, 13U, 3000U, 0xFFFFFFFFU}) { // was 12
    words w = good;
    w[2 + 12] = index;
    fails(*top_k, w);
  }
}

TEST_CASE("mutated payloads are decoded or refused, never read outside") {
  random_stream random(random_key{5});
  for (const auto& name : lossy) {
    const auto c = make_codec(name);
    const words good = words_of(encoded(*c, random_gradient(2100)));
    int refused = 0;
    for (int round = 0; round < 500; ++round) {
      words w = good;
      const auto place = [&] { return random.below(static_cast<std::uint32_t>(w.size())); };
      if (random.below(4) == 0) w.resize(place());
      for (std::uint32_t i = random.below(6); i > 0 && !w.empty(); --i)
        w[random.below(3) == 0 ? place() % 8 : place()] ^=
            random.below(2) == 0 ? random.next() : 1U << random.below(32);
      try {
        (void)decoded(*c, tensor_of(w), 2000);
      } catch (const error&) {
        ++refused;
      }
      try {
        (void)decoded(*c, tensor_of(w), 2100);
      } catch (const error&) {
        ++refused;
      }
    }
    CHECK(refused > 500); // of 1,000
  }
}
