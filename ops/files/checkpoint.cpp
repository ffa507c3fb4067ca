#include "ops/files/checkpoint.hpp"

#include "ops/assert.hpp"
#include "ops/digest.hpp"
#include "ops/error.hpp"
#include "ops/files/atomic_file.hpp"
#include "ops/files/count_text.hpp"
#include "ops/files/safetensors.hpp"
#include "ops/files/state_dict.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <iterator>
#include <utility>

namespace troupe {

namespace {

constexpr std::string_view format_text = "troupe checkpoint 1";
constexpr std::string_view job_prefix = "job.";
constexpr std::string_view no_digest = "0000000000000000";
constexpr std::uint64_t slots_max = 16, residuals_max = 65536, islands_max = 4096;

[[noreturn]] void fail(const std::string& name, const std::string& why) {
  throw error({.what = name + " is not a valid checkpoint",
               .where = "",
               .why = why,
               .help = "use an older checkpoint of the folder"});
}

// Where the 16 digits are. Quotes inside of JSON strings are escaped, so that no job value can look
// like this; job keys start with "job.".
std::size_t digest_at(std::string_view bytes) {
  constexpr std::string_view key = "\"digest\":\"";
  const std::size_t at = bytes.find(key);
  if (at == std::string_view::npos) return at;
  const std::size_t digits = at + key.size();
  return digits + no_digest.size() <= bytes.size() ? digits : std::string_view::npos;
}

std::uint64_t digest_without_itself(std::string_view bytes, std::size_t at) {
  const std::string_view rest = bytes.substr(at + no_digest.size());
  std::uint64_t digest = digest_of(bytes.data(), at);
  digest = digest_combine(digest, digest_of(no_digest.data(), no_digest.size()));
  return digest_combine(digest, digest_of(rest.data(), rest.size()));
}

// Throws unless the bytes are those that were written.
tensor_file verified(std::string_view bytes, const std::string& name) {
  tensor_file file = parse_safetensors(bytes, name);
  const auto format = file.metadata.find("format");
  if (format == file.metadata.end() || format->second != format_text)
    fail(name, "its metadata does not say \"format\": \"" + std::string(format_text) + "\"");
  const std::size_t at = digest_at(bytes);
  if (at == std::string_view::npos) fail(name, "it has no digest");
  const std::string stored(bytes.substr(at, no_digest.size()));
  const std::string actual = digest_text(digest_without_itself(bytes, at));
  if (stored != actual) fail(name, "its digest is " + stored + ", its bytes have " + actual);
  return file;
}

// What a checkpoint of this shape has beside its parameters, and under which names.
std::vector<std::pair<state_prefix, std::vector<tensor>*>> state_of(checkpoint& c, bool in_round) {
  std::vector<std::pair<state_prefix, std::vector<tensor>*>> out;
  const auto add = [&](const std::string& prefix, std::vector<std::vector<tensor>>& states) {
    for (std::size_t i = 0; i < states.size(); ++i)
      out.push_back({{prefix + std::to_string(i) + "."}, &states[i]});
  };
  add("optimizer.", c.slots);
  add("residual.", c.residuals);
  for (std::size_t w = 0; w < c.islands.size(); ++w) {
    const std::string prefix = "island." + std::to_string(w + 1) + ".";
    if (in_round) out.push_back({{prefix, true}, &c.islands[w].parameters});
    add(prefix + "optimizer.", c.islands[w].slots);
  }
  return out;
}

std::uint64_t count_of(const tensor_file& file, const char* key, const std::string& name) {
  const auto entry = file.metadata.find(key);
  if (entry == file.metadata.end()) fail(name, std::string("its metadata has no ") + key);
  const std::string& text = entry->second;
  std::uint64_t count = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (code != std::errc() || end != text.data() + text.size() || text.empty())
    fail(name, std::string("its ") + key + " is \"" + text + "\"");
  return count;
}

// The N of step-N.safetensors.
bool step_of_name(const std::string& file, std::uint64_t& step) {
  constexpr std::string_view prefix = "step-";
  constexpr std::string_view ending = ".safetensors";
  if (!file.starts_with(prefix) || !file.ends_with(ending)) return false;
  const char* first = file.data() + prefix.size();
  const char* last = file.data() + file.size() - ending.size();
  const auto [end, code] = std::from_chars(first, std::max(first, last), step);
  return code == std::errc() && end == last;
}

void append(std::vector<stored_tensor>& to, std::vector<stored_tensor> more) {
  std::move(more.begin(), more.end(), std::back_inserter(to));
}

} // namespace

std::string checkpoint_bytes(const parameter_layout& layout, const checkpoint& c) {
  TROUPE_ASSERT(c.slots.size() <= slots_max, "too many optimizer slots");
  tensor_file file;
  file.metadata = {{"format", std::string(format_text)},
                   {"step", std::to_string(c.step)},
                   {"slots", std::to_string(c.slots.size())},
                   {"digest", std::string(no_digest)}};
  for (const auto& [key, value] : c.job)
    file.metadata[std::string(job_prefix) + key] = value;
  file.tensors = state_dict_of(layout, c.parameters, c.step);
  if (!c.residuals.empty()) file.metadata["residuals"] = std::to_string(c.residuals.size());
  const bool in_round = !c.islands.empty() && !c.islands.front().parameters.empty();
  if (!c.islands.empty()) {
    file.metadata["islands"] = std::to_string(c.islands.size());
    file.metadata["island slots"] = std::to_string(c.islands.front().slots.size());
    file.metadata["island parameters"] = in_round ? "1" : "0";
  }
  checkpoint state = c; // tensors are shared
  for (const auto& [prefix, blocks] : state_of(state, in_round))
    append(file.tensors, state_tensors(layout, *blocks, prefix));

  std::string bytes = safetensors_bytes(file);
  const std::size_t at = digest_at(bytes);
  TROUPE_ASSERT(at != std::string::npos, "a checkpoint's header holds its digest");
  bytes.replace(at, no_digest.size(), digest_text(digest_without_itself(bytes, at)));
  return bytes;
}

checkpoint
parse_checkpoint(std::string_view bytes, const std::string& name, const parameter_layout& layout) {
  const tensor_file file = verified(bytes, name);
  checkpoint c;
  c.step = count_of(file, "step", name);
  const auto count = [&](const char* key, std::uint64_t most, bool always = false) {
    if (!always && !file.metadata.contains(key)) return std::uint64_t{0};
    const std::uint64_t found = count_of(file, key, name);
    if (found > most)
      fail(name, fmt::format("its {} are {}; {} are allowed", key, found, count_text(most)));
    return found;
  };
  c.slots.resize(count("slots", slots_max, true));
  c.residuals.resize(count("residuals", residuals_max));
  c.islands.resize(count("islands", islands_max));
  for (island_state& island : c.islands)
    island.slots.resize(count("island slots", slots_max));
  const auto state = state_of(c, count("island parameters", 1) == 1);
  std::vector<state_prefix> prefixes;
  for (const auto& [prefix, blocks] : state)
    prefixes.push_back(prefix);
  check_tensors(file, layout, prefixes, false, name);
  c.parameters = parameter_blocks(file, layout);
  for (const auto& [prefix, blocks] : state)
    *blocks = state_blocks(file, layout, prefix);
  for (const auto& [key, value] : file.metadata)
    if (key.starts_with(job_prefix)) c.job.emplace(key.substr(job_prefix.size()), value);
  return c;
}

void write_checkpoint(const std::string& path,
                      const parameter_layout& layout,
                      const checkpoint& c) {
  write_file_atomically(path, checkpoint_bytes(layout, c));
}

checkpoint read_checkpoint(const std::string& path, const parameter_layout& layout) {
  return parse_checkpoint(read_file(path), path, layout);
}

std::string newest_checkpoint(const std::string& folder, std::vector<std::string>& skipped) {
  std::vector<std::pair<std::uint64_t, std::string>> found;
  std::error_code code;
  for (std::filesystem::directory_iterator at(folder, code), end; !code && at != end;
       at.increment(code)) {
    std::uint64_t step = 0;
    if (step_of_name(at->path().filename().string(), step))
      found.emplace_back(step, at->path().string());
  }
  if (code)
    throw error({.what = "cannot list the checkpoints of " + folder,
                 .where = "",
                 .why = code.message(),
                 .help = "check the path"});
  std::sort(found.rbegin(), found.rend());
  for (const auto& [step, path] : found) {
    try {
      const tensor_file file = verified(read_file(path), path);
      if (count_of(file, "step", path) != step)
        fail(path, "its name says another step than its content");
      return path;
    } catch (const error& problem) {
      skipped.push_back(path + ": " + problem.text().why);
    }
  }
  throw error({.what = "no valid checkpoint in " + folder,
               .where = "",
               .why = std::to_string(found.size()) + " files step-N.safetensors, " +
                      std::to_string(skipped.size()) + " of them invalid",
               .help = "start without resuming"});
}

void save_weights(const std::string& path,
                  const parameter_layout& layout,
                  std::span<const tensor> blocks,
                  std::uint64_t step) {
  tensor_file file;
  file.tensors = state_dict_of(layout, blocks, step);
  file.metadata = {{"format", "pt"}}; // what PyTorch's and Hugging Face's tools look for
  write_safetensors(path, file);
}

std::vector<tensor> load_weights(const std::string& path, const parameter_layout& layout) {
  const std::string bytes = read_file(path);
  tensor_file file = parse_safetensors(bytes, path);
  const auto format = file.metadata.find("format");
  const bool whole = format != file.metadata.end() && format->second == format_text;
  if (whole) file = verified(bytes, path);
  check_tensors(file, layout, {}, whole, path);
  return parameter_blocks(file, layout);
}

} // namespace troupe
