#include "ops/block_codec.hpp"

#include "ops/error.hpp"
#include "ops/program.hpp"
#include "ops/random.hpp"
#include "support/small_layout.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <numeric>

using namespace troupe;

namespace {

// Every gradient as its mean. The payload is one float, without a header.
class mean_codec final : public codec {
public:
  [[nodiscard]] std::string text() const override { return "mean"; }

  [[nodiscard]] bool has_residual() const override { return false; }

  [[nodiscard]] tensor
  encode(std::span<const float> gradient, std::span<float>, const codec_key&) const override {
    const float sum = std::accumulate(gradient.begin(), gradient.end(), 0.0F);
    const float mean = sum / static_cast<float>(gradient.size());
    return make_tensor(shape{1}, {&mean, 1});
  }

  void decode(const tensor& payload, std::span<float> gradient) const override {
    if (payload.elements() != 1) throw error({.what = "not a mean"});
    std::fill(gradient.begin(), gradient.end(), *payload.data());
  }
};

// Keeps what it is shown, and sends nothing.
class watching_codec final : public codec {
public:
  [[nodiscard]] std::string text() const override { return "watching"; }

  [[nodiscard]] bool has_residual() const override { return false; }

  [[nodiscard]] tensor
  encode(std::span<const float> gradient, std::span<float>, const codec_key&) const override {
    shown.emplace_back(gradient.begin(), gradient.end());
    return make_tensor(shape{1}, gradient.first(1));
  }

  void decode(const tensor&, std::span<float>) const override {}

  mutable std::vector<std::vector<float>> shown;
};

bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

// Two parameters of one block, the first one longer than a chunk.
parameter_layout large_layout() {
  parameter_layout out;
  const std::int64_t first = 3 * chunk_elements + 160, second = 320;
  out.specs = {{.name = "0.weight", .dims = shape{first}},
               {.name = "0.bias", .dims = shape{second}}};
  out.places = {{0, 0, first, nullptr}, {0, first, second, nullptr}};
  out.blocks = {{first + second, first + second}};
  return out;
}

const std::vector<std::string> lossy = {"fp16", "bf16", "int8", "1-bit", "top-k 0.05"};

} // namespace

TEST_CASE("statistics cross bit by bit, padding stays zero") {
  const auto layout = test::small_layout();
  const auto blocks = test::random_blocks(layout, 4, false);
  for (const auto& name : lossy) {
    const block_codec c(make_codec(name), layout, 0);
    std::vector<float> residual(static_cast<std::size_t>(c.residual_elements()));
    const tensor out = c.decode(c.encode(blocks[0], residual, {1, 2, 0, 3}));
    const auto trained = static_cast<std::size_t>(layout.blocks[0].trainable);
    CHECK(same_bits(out.values().subspan(trained), blocks[0].values().subspan(trained)));
    // What survives a round trip through plain values is everything but padding.
    const std::vector<tensor> decoded{out, blocks[1]};
    std::vector<std::vector<float>> plain;
    for (int p = 0; p < static_cast<int>(layout.specs.size()); ++p)
      plain.push_back(plain_values(layout, p, decoded));
    const std::vector<std::span<const float>> spans(plain.begin(), plain.end());
    CHECK(same_bits(packed_blocks(layout, spans)[0].values(), out.values()));
  }
}

TEST_CASE("a codec sees a parameter in its plain order, whatever the kernels' order and padding") {
  const auto g = build_graph(
      sequential(conv2d{.channels = 6, .kernel = 3}, flatten{}, dense{70}, relu{}, dense{10}),
      shape{3, 8, 8});
  const auto program = compile_cpu(g, {.microbatch = 4});
  const auto& layout = program->layout();
  const auto blocks = initial_parameters(layout, 5);
  std::vector<std::vector<float>> shown;
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    const auto watching = std::make_shared<watching_codec>();
    (void)block_codec(watching, layout, static_cast<int>(b)).encode(blocks[b], {}, {});
    shown.insert(shown.end(), watching->shown.begin(), watching->shown.end());
  }
  for (int p = 0; p < std::ssize(layout.specs); ++p) {
    const auto plain = plain_values(layout, p, blocks);
    CAPTURE(layout.specs[static_cast<std::size_t>(p)].name);
    if (layout.places[static_cast<std::size_t>(p)].size <= chunk_elements)
      CHECK(std::find(shown.begin(), shown.end(), plain) != shown.end());
  }
}

TEST_CASE("what is lost does not depend on how parameters are cut into blocks") {
  const auto whole = large_layout(), cut = split_blocks(whole, chunk_elements);
  REQUIRE(cut.blocks.size() > 2);
  const auto a = test::random_blocks(whole, 7, false), b = test::random_blocks(cut, 7, false);
  for (const auto& name : lossy) {
    CAPTURE(name);
    const auto through = [&](const parameter_layout& layout, const std::vector<tensor>& blocks) {
      std::vector<tensor> out;
      for (std::size_t i = 0; i < blocks.size(); ++i) {
        const block_codec c(make_codec(name), layout, static_cast<int>(i));
        std::vector<float> residual(static_cast<std::size_t>(c.residual_elements()));
        out.push_back(c.decode(c.encode(blocks[i], residual, {5, 6, 0, 7})));
      }
      return out;
    };
    const auto x = through(whole, a), y = through(cut, b);
    for (int p = 0; p < 2; ++p)
      CHECK(plain_values(whole, p, x) == plain_values(cut, p, y));
  }
}

TEST_CASE("malformed payloads of blocks are refused") {
  const auto layout = large_layout();
  const auto blocks = test::random_blocks(layout, 1, false);
  random_stream random(random_key{11});
  for (const auto& name : lossy) {
    const block_codec c(make_codec(name), layout, 0);
    std::vector<float> residual(static_cast<std::size_t>(c.residual_elements()));
    const tensor good = c.encode(blocks[0], residual, {});
    CHECK_THROWS_AS((void)c.decode(tensor{}), error);
    CHECK_THROWS_AS((void)c.decode(good.flat_range(0, good.elements() - 1)), error);
    int refused = 0;
    for (int round = 0; round < 200; ++round) {
      std::vector<float> words(good.values().begin(), good.values().end());
      const std::uint32_t noise = random.next();
      std::memcpy(words.data() + random.below(8), &noise, sizeof noise);
      try {
        (void)c.decode(make_tensor(good.dims(), words));
      } catch (const error&) {
        ++refused;
      }
    }
    CHECK(refused > 100);
  }
}

TEST_CASE("a user's own codec serves blocks") {
  const auto layout = test::small_layout();
  const auto blocks = test::random_blocks(layout, 4, false);
  const block_codec c(std::make_shared<mean_codec>(), layout, 1);
  const tensor payload = c.encode(blocks[1], {}, {});
  CHECK(payload.elements() == 4); // two runs: a length and a mean each
  const tensor out = c.decode(payload);
  CHECK(out.dims() == blocks[1].dims());
  CHECK(out.data()[0] == out.data()[1]);
}
