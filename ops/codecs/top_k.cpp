// The k floats of largest magnitude, exactly; of equal ones those of lower index. All others go
// into the residual and are added to the next gradient (Stich et al., "Sparsified SGD with memory",
// NeurIPS 2018, algorithm 1; Lin et al., "Deep gradient compression", ICLR 2018, without its
// momentum correction and warm-up). k is the fraction of the floats, to the nearest, at least one.
// Body: k indices, ascending, then k floats. A NaN has the largest magnitude.
#include "ops/codec.hpp"
#include "ops/codecs/payload.hpp"

#include <fmt/format.h>

#include <cmath>
#include <functional>
#include <vector>

namespace troupe {

namespace {

// The k largest are those above the threshold and the first `ties` of those at it.
struct selection {
  std::vector<std::uint32_t> candidates; // ascending indices, the k among them
  std::uint32_t threshold = 0;           // magnitude bits
  std::size_t ties = 0;
};

// A histogram of the upper 11 bits leaves few candidates. REQUIRES: 0 < k <= size of v.
selection select(std::span<const float> v, std::size_t k) {
  std::array<std::size_t, 2048> counts{};
  for (const float x : v)
    ++counts[magnitude_bits(x) >> 20];
  std::size_t digit = counts.size(), reached = 0;
  while (reached < k)
    reached += counts[--digit];
  const auto least = static_cast<std::uint32_t>(digit << 20);

  std::vector<std::uint32_t> candidates(reached + 1); // the last is for writing without a branch
  for (std::size_t i = 0, found = 0; i < v.size(); ++i) {
    candidates[found] = static_cast<std::uint32_t>(i);
    found += magnitude_bits(v[i]) >= least ? 1 : 0;
  }
  candidates.pop_back();

  std::vector<std::uint32_t> sorted;
  for (const std::uint32_t i : candidates)
    sorted.push_back(magnitude_bits(v[i]));
  const auto kth = sorted.begin() + static_cast<std::ptrdiff_t>(k - 1);
  std::nth_element(sorted.begin(), kth, sorted.end(), std::greater<>());
  const auto before = std::count(sorted.begin(), kth, *kth);
  return {std::move(candidates), *kth, static_cast<std::size_t>(before) + 1};
}

class top_k final : public codec {
public:
  explicit top_k(double fraction) : fraction_(fraction) {}

  [[nodiscard]] std::string text() const override { return fmt::format("top-k {}", fraction_); }

  [[nodiscard]] bool has_residual() const override { return true; }

  [[nodiscard]] tensor encode(std::span<const float> gradient,
                              std::span<float> residual,
                              const codec_key&) const override {
    const std::size_t n = gradient.size(), k = count(n);
    payload_writer writer(codec_mark::top_k, n, 2 * k);
    if (k == 0) return writer.finish();
    add_to_residual(gradient, residual);
    auto [candidates, threshold, ties] = select(residual, k);
    std::size_t sent = 0;
    for (const std::uint32_t i : candidates) {
      const std::uint32_t m = magnitude_bits(residual[i]);
      if (m < threshold || (m == threshold && ties == 0)) continue;
      if (m == threshold) --ties;
      store(writer.body(), sent, i);
      store(writer.body(), k + sent, residual[i]);
      residual[i] = 0;
      ++sent;
    }
    return writer.finish();
  }

  void decode(const tensor& payload, std::span<float> gradient) const override {
    const std::size_t n = gradient.size(), k = count(n);
    const bytes* in = payload_body(payload, codec_mark::top_k, n, 2 * k);
    std::fill(gradient.begin(), gradient.end(), 0.0F);
    std::size_t next = 0; // the least index that may come
    for (std::size_t j = 0; j < k; ++j) {
      const auto i = load<std::uint32_t>(in, j);
      if (i < next || i >= n) malformed("an index is out of range or out of order");
      gradient[i] = load<float>(in, k + j);
      next = std::size_t{i} + 1;
    }
  }

private:
  [[nodiscard]] std::size_t count(std::size_t n) const {
    const auto k = static_cast<std::size_t>(std::llround(fraction_ * static_cast<double>(n)));
    return std::clamp(k, std::min<std::size_t>(1, n), n);
  }

  double fraction_;
};

} // namespace

std::shared_ptr<const codec> make_top_k(double fraction) {
  return std::make_shared<top_k>(fraction);
}

} // namespace troupe
