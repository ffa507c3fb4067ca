#include "ops/codec.hpp"

#include "ops/assert.hpp"
#include "ops/codecs/payload.hpp"
#include "ops/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace troupe {

namespace {

[[noreturn]] void mistake(const std::string& what, const std::string& help) {
  throw error({.what = what,
               .where = {},
               .why = fmt::format("codecs: {}", fmt::join(codec_names(), ", ")),
               .help = help,
               .kind = error_kind::request});
}

double fraction_of(const std::string& text) {
  double out = 0;
  const char* last = text.data() + text.size();
  const auto [end, fault] = std::from_chars(text.data(), last, out);
  if (fault != std::errc{} || end != last || !(out > 0 && out <= 1))
    mistake(fmt::format("top-k needs a fraction above 0 and up to 1, not '{}'", text),
            "top-k 0.01");
  return out;
}

} // namespace

const std::vector<std::string>& codec_names() {
  static const std::vector<std::string> names = {"none", "fp16", "bf16", "int8", "1-bit", "top-k"};
  return names;
}

std::shared_ptr<const codec> make_codec(const std::string& text) {
  const std::size_t space = std::min(text.find(' '), text.size());
  const std::string name = text.substr(0, space);
  const std::string number = text.substr(std::min(space + 1, text.size()));
  if (name == "top-k") return make_top_k(fraction_of(number));
  const auto& names = codec_names();
  if (std::find(names.begin(), names.end(), name) == names.end()) {
    const auto near = did_you_mean(name, names.data(), names.data() + names.size());
    mistake(fmt::format("there is no codec '{}'", name),
            near.empty() ? "choose one of them" : fmt::format("did you mean '{}'?", near));
  }
  if (!number.empty()) mistake(fmt::format("{} takes no number ('{}')", name, number), name);
  if (name == "fp16") return make_fp16();
  if (name == "bf16") return make_bf16();
  if (name == "int8") return make_int8();
  if (name == "1-bit") return make_one_bit();
  return nullptr; // none
}

tensor pack(const codec& c,
            const tensor& block_gradient,
            std::int64_t trainable,
            std::span<float> residual,
            const codec_key& key) {
  const std::int64_t size = block_gradient.elements();
  TROUPE_ASSERT(0 <= trainable && trainable <= size, "the trainable part is a part of the block");
  TROUPE_ASSERT(std::ssize(residual) == (c.has_residual() ? trainable : 0),
                "a residual is of the trainable part's size");
  const auto gradient = block_gradient.values();
  const auto encoded = c.encode(gradient.first(static_cast<std::size_t>(trainable)), residual, key);
  if (trainable == size) return encoded;
  const auto statistics = gradient.subspan(static_cast<std::size_t>(trainable));
  mutable_tensor out =
      buffer_pool::global().take(shape{encoded.elements() + std::ssize(statistics)});
  std::memcpy(out.data(), encoded.data(), encoded.bytes());
  std::memcpy(out.data() + encoded.elements(), statistics.data(), statistics.size_bytes());
  return std::move(out).freeze();
}

tensor unpack(const codec& c, const tensor& payload, std::int64_t trainable, std::int64_t size) {
  TROUPE_ASSERT(0 <= trainable && trainable <= size, "the trainable part is a part of the block");
  const std::int64_t statistics = size - trainable;
  const std::int64_t words = payload.elements() - statistics;
  if (words < 0) malformed("it is shorter than the block's statistics");
  mutable_tensor out = buffer_pool::global().take(shape{size});
  const auto gradient = out.values().first(static_cast<std::size_t>(trainable));
  if (statistics == 0) {
    c.decode(payload, gradient);
    return std::move(out).freeze();
  }
  mutable_tensor encoded = buffer_pool::global().take(shape{words});
  std::memcpy(encoded.data(), payload.data(), static_cast<std::size_t>(words) * sizeof(float));
  c.decode(std::move(encoded).freeze(), gradient);
  std::memcpy(out.data() + trainable,
              payload.data() + words,
              static_cast<std::size_t>(statistics) * sizeof(float));
  return std::move(out).freeze();
}

} // namespace troupe
