#include "ops/block_codec.hpp"

#include "ops/assert.hpp"
#include "ops/error.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace troupe {

namespace {

[[noreturn]] void malformed(const char* why) {
  throw error({.what = "a compressed gradient is malformed", .why = why});
}

std::uint32_t word_at(const tensor& payload, std::size_t index) {
  std::uint32_t out = 0;
  std::memcpy(&out, payload.data() + index, sizeof out);
  return out;
}

} // namespace

block_codec::block_codec(std::shared_ptr<const codec> c, const parameter_layout& layout, int block)
    : codec_(std::move(c)), extent_(layout.blocks[static_cast<std::size_t>(block)]) {
  constexpr int chunk_bits = 16;
  for (const stored_range& r : layout.ranges_of_block(block)) {
    if (layout.specs[static_cast<std::size_t>(r.parameter)].kind == parameter_kind::statistic)
      continue;
    for (std::int64_t at = 0; at < r.size; at += chunk_elements)
      runs_.push_back(
          {r.offset + at,
           std::min(chunk_elements, r.size - at),
           (r.parameter << chunk_bits) + static_cast<int>((r.first + at) / chunk_elements)});
  }
  find_padding(layout, block);
}

// Where packing leaves zeros.
void block_codec::find_padding(const parameter_layout& layout, int block) {
  std::vector<bool> used(static_cast<std::size_t>(extent_.trainable), false);
  for (const stored_range& r : layout.ranges_of_block(block)) {
    const auto p = static_cast<std::size_t>(r.parameter);
    const std::vector<float> ones(static_cast<std::size_t>(layout.specs[p].dims.elements()), 1.0F);
    std::vector<float> packed(static_cast<std::size_t>(layout.places[p].size), 0.0F);
    if (layout.places[p].order)
      layout.places[p].order->pack(ones, packed);
    else
      std::copy(ones.begin(), ones.end(), packed.begin());
    for (std::int64_t i = 0; i < r.size && r.offset + i < extent_.trainable; ++i)
      used[static_cast<std::size_t>(r.offset + i)] =
          packed[static_cast<std::size_t>(r.first + i)] != 0.0F;
  }
  for (std::int64_t i = 0; i < extent_.trainable; ++i)
    if (!used[static_cast<std::size_t>(i)]) padding_.push_back(i);
}

std::int64_t block_codec::residual_elements() const {
  return codec_->has_residual() ? extent_.trainable : 0;
}

tensor block_codec::encode(const tensor& gradient, std::span<float> residual, codec_key key) const {
  TROUPE_ASSERT(gradient.elements() == extent_.size, "a gradient has its block's size");
  TROUPE_ASSERT(std::ssize(residual) == residual_elements(), "a residual for each value");
  std::vector<tensor> payloads;
  std::int64_t words = std::ssize(runs_) + extent_.size - extent_.trainable;
  for (const run& r : runs_) {
    key.block = r.number;
    const auto part = [&](auto values) {
      return values.subspan(static_cast<std::size_t>(r.first), static_cast<std::size_t>(r.size));
    };
    payloads.push_back(
        codec_->encode(part(gradient.values()), residual.empty() ? residual : part(residual), key));
    words += payloads.back().elements();
  }
  for (const std::int64_t i : padding_)
    if (!residual.empty()) residual[static_cast<std::size_t>(i)] = 0.0F;
  auto out = buffer_pool::global().take({words});
  float* lengths = out.data();
  float* to = lengths + runs_.size();
  for (const tensor& payload : payloads) {
    const auto length = static_cast<std::uint32_t>(payload.elements());
    std::memcpy(lengths++, &length, sizeof length);
    std::memcpy(to, payload.data(), payload.bytes());
    to += payload.elements();
  }
  std::memcpy(to,
              gradient.data() + extent_.trainable,
              static_cast<std::size_t>(extent_.size - extent_.trainable) * sizeof(float));
  return std::move(out).freeze();
}

tensor block_codec::decode(const tensor& payload) const {
  const std::int64_t statistics = extent_.size - extent_.trainable;
  const std::int64_t encoded = payload.elements() - statistics;
  if (encoded < std::ssize(runs_)) malformed("it is shorter than its list of lengths");
  auto out = buffer_pool::global().take({extent_.size});
  std::int64_t at = std::ssize(runs_);
  for (std::size_t i = 0; i < runs_.size(); ++i) {
    const auto length = static_cast<std::int64_t>(word_at(payload, i));
    if (length > encoded - at) malformed("a run is longer than what is left");
    auto part = buffer_pool::global().take({length});
    std::memcpy(part.data(), payload.data() + at, static_cast<std::size_t>(length) * sizeof(float));
    codec_->decode(std::move(part).freeze(),
                   out.values().subspan(static_cast<std::size_t>(runs_[i].first),
                                        static_cast<std::size_t>(runs_[i].size)));
    at += length;
  }
  if (at != encoded) malformed("it is longer than its runs");
  for (const std::int64_t i : padding_)
    out.data()[i] = 0.0F;
  std::memcpy(out.data() + extent_.trainable,
              payload.data() + encoded,
              static_cast<std::size_t>(statistics) * sizeof(float));
  return std::move(out).freeze();
}

} // namespace troupe
