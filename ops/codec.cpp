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

} // namespace troupe
