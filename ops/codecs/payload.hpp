// What our codecs share: raw words, the header of a payload and its check.
#pragma once

#include "ops/tensor.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <span>
#include <string>

namespace troupe {

class codec;

std::shared_ptr<const codec> make_fp16();
std::shared_ptr<const codec> make_bf16();
std::shared_ptr<const codec> make_int8();
std::shared_ptr<const codec> make_one_bit();
std::shared_ptr<const codec> make_top_k(double fraction);

// The first word of a payload. It is no small number, so that a gradient sent as it is, or zeros,
// are seldom taken for a payload.
enum class codec_mark : std::uint32_t {
  fp16 = 0xC0DEC001,
  bf16 = 0xC0DEC002,
  int8 = 0xC0DEC003,
  one_bit = 0xC0DEC004,
  top_k = 0xC0DEC005,
};

// The unit of int8 and 1-bit, with a scale of its own. Its last one may be shorter.
constexpr std::size_t chunk_floats = 1024;

// A chunk that is not finite has this scale and decodes to NaNs.
constexpr float not_finite = std::numeric_limits<float>::infinity();

inline bool is_scale(float x) {
  return x >= 0;
}

// Bytes are written and read through memcpy alone: no float or word ever aliases the other.
using bytes = unsigned char;

template <class T>
T load(const bytes* from, std::size_t index) {
  T out;
  std::memcpy(&out, from + index * sizeof(T), sizeof(T));
  return out;
}

template <class T>
void store(bytes* to, std::size_t index, T value) {
  std::memcpy(to + index * sizeof(T), &value, sizeof(T));
}

inline std::uint32_t bits_of(float x) {
  return std::bit_cast<std::uint32_t>(x);
}

inline std::uint32_t magnitude_bits(float x) { // their order is that of |x|, NaN the largest
  return bits_of(x) & 0x7FFFFFFFU;
}

void add_to_residual(std::span<const float> gradient, std::span<float> residual);

// A payload being written; body() starts behind the header.
class payload_writer {
public:
  payload_writer(codec_mark mark, std::size_t floats, std::size_t body_words);

  bytes* body() { return reinterpret_cast<bytes*>(payload_.data()) + 8; }

  tensor finish() { return std::move(payload_).freeze(); }

private:
  mutable_tensor payload_;
};

// The body of a payload of exactly `body_words` for `floats` floats; else throws error.
const bytes*
payload_body(const tensor& payload, codec_mark mark, std::size_t floats, std::size_t body_words);

[[noreturn]] void malformed(const std::string& why);

} // namespace troupe
