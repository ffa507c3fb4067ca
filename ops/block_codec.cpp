#include "ops/block_codec.hpp"

#include "ops/assert.hpp"
#include "ops/error.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>
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

// For each packed value of a parameter its place in the plain order, -1 for padding.
std::vector<std::int64_t> plain_places(const parameter_layout& layout, int parameter) {
  const auto p = static_cast<std::size_t>(parameter);
  const auto& place = layout.places[p];
  const auto packed = static_cast<std::size_t>(place.size);
  const auto plain = static_cast<std::size_t>(layout.specs[p].dims.elements());
  std::vector<std::int64_t> out(packed, -1);
  if (!place.order) {
    std::iota(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(plain), std::int64_t{0});
    return out;
  }
  // Numbers that floats hold exactly: which row of 4,096, and from 1 the column.
  constexpr std::size_t columns = 4096;
  std::vector<float> row(plain), column(plain), packed_row(packed), packed_column(packed);
  for (std::size_t i = 0; i < plain; ++i) {
    const std::size_t of_row = i / columns;
    row[i] = static_cast<float>(of_row);
    column[i] = static_cast<float>(i - of_row * columns + 1);
  }
  place.order->pack(row, packed_row);
  place.order->pack(column, packed_column);
  for (std::size_t i = 0; i < packed; ++i)
    if (packed_column[i] != 0.0F)
      out[i] = static_cast<std::int64_t>(packed_row[i]) * std::int64_t{columns} +
               static_cast<std::int64_t>(packed_column[i]) - 1;
  return out;
}

void gather(const std::vector<std::int64_t>& places,
            std::span<const float> from,
            std::vector<float>& to) {
  to.resize(places.size());
  for (std::size_t i = 0; i < places.size(); ++i)
    to[i] = from[static_cast<std::size_t>(places[i])];
}

void scatter(const std::vector<std::int64_t>& places,
             std::span<const float> from,
             std::span<float> to) {
  for (std::size_t i = 0; i < places.size(); ++i)
    to[static_cast<std::size_t>(places[i])] = from[i];
}

} // namespace

block_codec::block_codec(std::shared_ptr<const codec> c, const parameter_layout& layout, int block)
    : codec_(std::move(c)), extent_(layout.blocks[static_cast<std::size_t>(block)]) {
  constexpr int chunk_bits = 16;
  for (const stored_range& r : layout.ranges_of_block(block)) {
    if (layout.specs[static_cast<std::size_t>(r.parameter)].kind == parameter_kind::statistic)
      continue;
    const auto plain = plain_places(layout, r.parameter);
    for (std::int64_t at = 0; at < r.size; at += chunk_elements) {
      run made{.number =
                   (r.parameter << chunk_bits) + static_cast<int>((r.first + at) / chunk_elements)};
      for (std::int64_t i = at; i < std::min(r.size, at + chunk_elements); ++i)
        if (plain[static_cast<std::size_t>(r.first + i)] >= 0) made.places.push_back(r.offset + i);
      std::sort(made.places.begin(), made.places.end(), [&](std::int64_t x, std::int64_t y) {
        const auto plain_of = [&](std::int64_t place) {
          return plain[static_cast<std::size_t>(r.first + place - r.offset)];
        };
        return plain_of(x) < plain_of(y);
      });
      if (!made.places.empty()) runs_.push_back(std::move(made));
    }
  }
}

std::int64_t block_codec::residual_elements() const {
  return codec_->has_residual() ? extent_.trainable : 0;
}

tensor block_codec::encode(const tensor& gradient, std::span<float> residual, codec_key key) const {
  TROUPE_ASSERT(gradient.elements() == extent_.size, "a gradient has its block's size");
  TROUPE_ASSERT(std::ssize(residual) == residual_elements(), "a residual for each value");
  std::vector<tensor> payloads;
  std::vector<float> values, left_out;
  std::int64_t words = std::ssize(runs_) + extent_.size - extent_.trainable;
  for (const run& r : runs_) {
    key.block = r.number;
    gather(r.places, gradient.values(), values);
    if (!residual.empty()) gather(r.places, residual, left_out);
    payloads.push_back(codec_->encode(values, left_out, key));
    if (!residual.empty()) scatter(r.places, left_out, residual);
    words += payloads.back().elements();
  }
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
  std::fill_n(out.data(), extent_.trainable, 0.0F); // padding stays so
  std::vector<float> values;
  std::int64_t at = std::ssize(runs_);
  for (std::size_t i = 0; i < runs_.size(); ++i) {
    const auto length = static_cast<std::int64_t>(word_at(payload, i));
    if (length > encoded - at) malformed("a run is longer than what is left");
    auto part = buffer_pool::global().take({length});
    std::memcpy(part.data(), payload.data() + at, static_cast<std::size_t>(length) * sizeof(float));
    values.resize(runs_[i].places.size());
    codec_->decode(std::move(part).freeze(), values);
    scatter(runs_[i].places, values, out.values());
    at += length;
  }
  if (at != encoded) malformed("it is longer than its runs");
  std::memcpy(out.data() + extent_.trainable,
              payload.data() + encoded,
              static_cast<std::size_t>(statistics) * sizeof(float));
  return std::move(out).freeze();
}

} // namespace troupe
