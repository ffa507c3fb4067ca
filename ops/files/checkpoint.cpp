#include "ops/files/checkpoint.hpp"

#include "ops/assert.hpp"
#include "ops/digest.hpp"
#include "ops/error.hpp"
#include "ops/files/atomic_file.hpp"
#include "ops/files/count_text.hpp"
#include "ops/files/safetensors.hpp"
#include "ops/files/sharded_checkpoint.hpp"
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

using named_state = std::pair<state_prefix, std::vector<tensor>*>;

// What a checkpoint of this shape has beside its parameters, and under which names.
std::vector<named_state> state_of(checkpoint& c, bool in_round) {
  std::vector<named_state> out;
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

// The N of step-N.safetensors, or of the folder step-N.
bool step_of_name(const std::string& name, bool is_folder, std::uint64_t& step) {
  constexpr std::string_view prefix = "step-";
  const std::string_view ending = is_folder ? "" : ".safetensors";
  if (!name.starts_with(prefix) || !name.ends_with(ending)) return false;
  const char* first = name.data() + prefix.size();
  const char* last = name.data() + name.size() - ending.size();
  const auto [end, code] = std::from_chars(first, std::max(first, last), step);
  return code == std::errc() && end == last && first != last;
}

[[noreturn]] void fail_without_manifest(const std::string& path) {
  fail(path, "it has no " + std::string(manifest_name) + ": it was not written to the end");
}

// Throws error unless it is whole. What is left of a save that was given up has no manifest.
std::uint64_t step_of_verified(const std::string& path) {
  if (std::filesystem::is_directory(path)) {
    const auto manifest = manifest_of(path);
    if (manifest.empty()) fail_without_manifest(path);
    return verified_manifest(manifest).step;
  }
  return count_of(verified(read_file(path), path), "step", path);
}

std::vector<state_prefix> prefixes_of(const std::vector<named_state>& state) {
  std::vector<state_prefix> out;
  for (const auto& [prefix, blocks] : state)
    out.push_back(prefix);
  return out;
}

// REQUIRES: `c` has as many states as the file.
void fill(checkpoint& c,
          bool in_round,
          const tensor_file& file,
          const parameter_layout& layout,
          const std::string& name) {
  const auto state = state_of(c, in_round);
  check_tensors(file, layout, prefixes_of(state), false, name);
  c.parameters = parameter_blocks(file, layout);
  for (const auto& [prefix, blocks] : state)
    *blocks = state_blocks(file, layout, prefix);
}

checkpoint read_shards(const std::string& manifest, const parameter_layout& layout) {
  const auto m = parse_manifest(read_file(manifest), manifest);
  checkpoint c;
  c.step = m.step;
  c.job = m.job;
  c.slots.resize(m.slots);
  c.residuals.resize(m.residuals);
  c.islands.resize(m.islands);
  for (island_state& island : c.islands)
    island.slots.resize(m.island_slots);
  const auto prefixes = prefixes_of(state_of(c, m.island_parameters));
  fill(c, m.island_parameters, merged_shards(manifest, m, layout, prefixes), layout, manifest);
  return c;
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
  fill(c, count("island parameters", 1) == 1, file, layout, name);
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
  if (const auto manifest = manifest_of(path); !manifest.empty())
    return read_shards(manifest, layout);
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) fail_without_manifest(path);
  return parse_checkpoint(read_file(path), path, layout);
}

bool is_checkpoint(const std::string& path) {
  std::error_code ignored;
  if (!manifest_of(path).empty() || !std::filesystem::is_directory(path, ignored)) return true;
  const auto at = std::filesystem::path(path);
  std::uint64_t step = 0;
  return step_of_name((at.has_filename() ? at : at.parent_path()).filename().string(), true, step);
}

std::string newest_checkpoint(const std::string& folder, std::vector<std::string>& skipped) {
  std::vector<std::pair<std::uint64_t, std::string>> found;
  std::error_code code;
  for (std::filesystem::directory_iterator at(folder, code), end; !code && at != end;
       at.increment(code)) {
    std::uint64_t step = 0;
    std::error_code ignored;
    if (step_of_name(at->path().filename().string(), at->is_directory(ignored), step))
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
      if (step_of_verified(path) != step) fail(path, "its name says another step than its content");
      return path;
    } catch (const error& problem) {
      skipped.push_back(path + ": " + problem.text().why);
    }
  }
  throw error({.what = "no valid checkpoint in " + folder,
               .where = "",
               .why = std::to_string(found.size()) + " of steps, " +
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
  if (const auto manifest = manifest_of(path); !manifest.empty()) {
    const auto m = parse_manifest(read_file(manifest), manifest);
    const tensor_file merged = merged_shards(manifest, m, layout, {});
    check_tensors(merged, layout, {}, true, manifest);
    return parameter_blocks(merged, layout);
  }
  const std::string bytes = read_file(path);
  tensor_file file = parse_safetensors(bytes, path);
  const auto format = file.metadata.find("format");
  const bool whole = format != file.metadata.end() && format->second == format_text;
  if (whole) file = verified(bytes, path);
  check_tensors(file, layout, {}, whole, path);
  return parameter_blocks(file, layout);
}

} // namespace troupe
