#include "ops/files/checkpoint_manifest.hpp"

#include "ops/assert.hpp"
#include "ops/digest.hpp"
#include "ops/error.hpp"

#include <nlohmann/json.hpp>

#include <charconv>
#include <limits>

namespace troupe {

namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr std::string_view format_text = "troupe checkpoint 2";
constexpr std::string_view no_seal = "0000000000000000";
constexpr std::string_view seal_key = "\"seal\": \""; // the first entry
constexpr std::uint64_t slots_max = 16, residuals_max = 65536, islands_max = 4096;
constexpr int depth_max = 4;

[[noreturn]] void fail(const std::string& name, const std::string& why) {
  throw error({.what = name + " is not a valid checkpoint",
               .where = "",
               .why = why,
               .help = "use an older checkpoint of the folder"});
}

std::uint64_t digest_of_hex(const std::string& text, const std::string& name) {
  std::uint64_t out = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), out, 16);
  if (text.size() != no_seal.size() || code != std::errc() || end != text.data() + text.size())
    fail(name, "\"" + text + "\" is no digest");
  return out;
}

std::string sealed(std::string text) {
  const std::size_t at = text.find(seal_key);
  TROUPE_ASSERT(at != std::string::npos, "a manifest has a seal");
  const auto seal = digest_of(text.data(), text.size());
  return text.replace(at + seal_key.size(), no_seal.size(), digest_text(seal));
}

void check_seal(std::string_view text, const std::string& name) {
  const std::size_t at = text.find(seal_key);
  const std::size_t digits = at + seal_key.size();
  if (at == std::string_view::npos || digits + no_seal.size() > text.size())
    fail(name, "it has no seal");
  std::string open(text);
  open.replace(digits, no_seal.size(), no_seal);
  const auto stored = text.substr(digits, no_seal.size());
  const auto actual = digest_text(digest_of(open.data(), open.size()));
  if (stored != actual)
    fail(name, "its seal is " + std::string(stored) + ", its bytes have " + actual);
}

// A part of a path, and no way out of its folder.
bool is_file_name(const std::string& text) {
  return !text.empty() && text.front() != '.' && text.find('/') == std::string::npos &&
         text.find('\0') == std::string::npos;
}

class reader {
public:
  reader(const json& from, const std::string& name) : from_(from), name_(name) {}

  checkpoint_manifest run() {
    if (text_of(from_, "format") != format_text)
      fail(name_, "it does not say \"format\": \"" + std::string(format_text) + "\"");
    checkpoint_manifest m;
    m.step = count(from_, "step", std::numeric_limits<std::uint64_t>::max());
    m.slots = count(from_, "slots", slots_max);
    m.residuals = count(from_, "residuals", residuals_max);
    m.islands = count(from_, "islands", islands_max);
    m.island_slots = count(from_, "island slots", slots_max);
    m.island_parameters = count(from_, "island parameters", 1) == 1;
    for (const auto& [key, value] : part(from_, "job", json::value_t::object).items())
      m.job.emplace(key, value.is_string() ? value.get<std::string>() : value.dump());
    for (const json& s : part(from_, "shards", json::value_t::array))
      m.shards.push_back({text_of(s, "file"),
                          count(s, "bytes", std::numeric_limits<std::uint64_t>::max()),
                          digest_of_hex(text_of(s, "digest"), name_)});
    for (const auto& s : m.shards)
      if (!is_file_name(s.name)) fail(name_, "\"" + s.name + "\" is no name of a file");
    return m;
  }

private:
  [[nodiscard]] const json& part(const json& of, const char* key, json::value_t type) const {
    const auto found = of.is_object() ? of.find(key) : of.end();
    if (!of.is_object() || found == of.end() || found->type() != type)
      fail(name_, std::string("it has no ") + key);
    return *found;
  }

  [[nodiscard]] std::string text_of(const json& of, const char* key) const {
    return part(of, key, json::value_t::string).get<std::string>();
  }

  [[nodiscard]] std::uint64_t count(const json& of, const char* key, std::uint64_t most) const {
    const auto found = part(of, key, json::value_t::number_unsigned).get<std::uint64_t>();
    if (found > most)
      fail(name_,
           "its " + std::string(key) + " are " + std::to_string(found) + "; " +
               std::to_string(most) + " are allowed");
    return found;
  }

  const json& from_;
  const std::string& name_;
};

} // namespace

std::string manifest_text(const checkpoint_manifest& m) {
  ordered_json out;
  out["seal"] = no_seal;
  out["format"] = format_text;
  out["step"] = m.step;
  out["slots"] = m.slots;
  out["residuals"] = m.residuals;
  out["islands"] = m.islands;
  out["island slots"] = m.island_slots;
  out["island parameters"] = m.island_parameters ? 1U : 0U;
  out["job"] = m.job;
  out["shards"] = ordered_json::array();
  for (const shard_file& s : m.shards)
    out["shards"].push_back(
        {{"file", s.name}, {"bytes", s.bytes}, {"digest", digest_text(s.digest)}});
  return sealed(out.dump(2) + "\n");
}

checkpoint_manifest parse_manifest(std::string_view text, const std::string& name) {
  check_seal(text, name);
  const auto shallow = [](int depth, json::parse_event_t, json&) { return depth <= depth_max; };
  const json found = json::parse(text, shallow, false);
  if (found.is_discarded()) fail(name, "it is no JSON");
  return reader(found, name).run();
}

std::string shard_name(const std::string& writer, std::uint64_t digest) {
  return writer + "-" + digest_text(digest) + ".safetensors";
}

} // namespace troupe
