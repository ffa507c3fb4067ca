#include "actors/checkpoint_files.hpp"

#include "ops/digest.hpp"
#include "ops/error.hpp"
#include "ops/files/atomic_file.hpp"
#include "ops/files/count_text.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <vector>

namespace troupe {

namespace {

constexpr std::string_view file_ending = ".safetensors";

struct found_checkpoint {
  std::uint64_t step = 0;
  std::string path;
  bool is_folder = false, is_complete = true;
};

std::optional<std::uint64_t> step_of(std::string_view name, std::string_view ending) {
  constexpr std::string_view prefix = "step-";
  if (!name.starts_with(prefix) || !name.ends_with(ending)) return std::nullopt;
  name.remove_prefix(prefix.size());
  name.remove_suffix(std::min(ending.size(), name.size()));
  std::uint64_t step = 0;
  const auto [end, code] = std::from_chars(name.data(), name.data() + name.size(), step);
  if (name.empty() || code != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return step;
}

std::string manifest_in(const std::string& folder) {
  return folder + "/" + std::string(manifest_name);
}

// By step.
std::vector<found_checkpoint> checkpoints_in(const disk& files, const std::string& folder) {
  std::vector<found_checkpoint> out;
  for (const auto& name : files.list(folder))
    if (const auto step = step_of(name, file_ending))
      out.push_back({*step, folder + "/" + name, false, true});
  for (const auto& name : files.folders(folder))
    if (const auto step = step_of(name, "")) {
      const auto path = folder + "/" + name;
      out.push_back({*step, path, true, files.size(manifest_in(path)).has_value()});
    }
  std::stable_sort(
      out.begin(), out.end(), [](const auto& a, const auto& b) { return a.step < b.step; });
  return out;
}

bool is_ours(const std::string& name) {
  return name.ends_with(file_ending) || name.ends_with(temporary_ending);
}

// The manifest first: what is left is no checkpoint.
void remove_checkpoint(disk& files, const found_checkpoint& c) {
  if (c.is_folder) {
    files.remove(manifest_in(c.path));
    for (const auto& name : files.list(c.path))
      if (is_ours(name)) files.remove(c.path + "/" + name);
  }
  files.remove(c.path);
}

// What saves that were given up have left in the folder of one that was not.
void remove_strays(disk& files, const std::string& folder, const std::vector<shard_file>& shards) {
  for (const auto& name : files.list(folder)) {
    const bool named = std::any_of(
        shards.begin(), shards.end(), [&](const shard_file& s) { return s.name == name; });
    if (!named && is_ours(name)) files.remove(folder + "/" + name);
  }
}

} // namespace

shard_file write_shard_file(disk& files,
                            const std::string& folder,
                            shard_place& place,
                            const shard_content& content,
                            const std::atomic<bool>& cancelled) {
  const auto file = files.create(folder + "/" + place.writer);
  running_digest digest;
  shard_file out;
  write_shard(*place.layout, content, place.orders, [&](std::string_view piece) {
    if (cancelled) throw error({.what = "nobody wants this shard any more", .where = place.writer});
    digest.add(piece.data(), piece.size());
    out.bytes += piece.size();
    file->append(piece);
  });
  out.digest = digest.value();
  out.name = shard_name(place.writer, out.digest);
  file->keep_as(folder + "/" + out.name);
  return out;
}

void write_manifest(disk& files, const std::string& folder, const checkpoint_manifest& m) {
  for (const shard_file& s : m.shards) {
    const auto size = files.size(folder + "/" + s.name);
    if (size == s.bytes) continue;
    throw error({.what = "a shard of the checkpoint cannot be seen by who completes it",
                 .where = folder + "/" + s.name,
                 .why = size ? "it has " + count_text(*size) + " bytes here, " +
                                   count_text(s.bytes) + " were written"
                             : "its writer has written it, and here it is not",
                 .help = "let all nodes write to one folder of a file system that they share"});
  }
  files.write(manifest_in(folder), manifest_text(m));
  remove_strays(files, folder, m.shards);
}

void remove_incomplete(disk& files, const std::string& folder) {
  if (!files.size(manifest_in(folder))) remove_checkpoint(files, {0, folder, true, false});
}

void retire_checkpoints(disk& files, const std::string& newest, int kept) {
  const auto all = checkpoints_in(files, newest.substr(0, newest.rfind('/')));
  const auto step = step_of(newest.substr(newest.rfind('/') + 1), "").value_or(0);
  auto complete = static_cast<int>(
      std::count_if(all.begin(), all.end(), [](const auto& c) { return c.is_complete; }));
  for (const found_checkpoint& c : all) {
    if (c.path == newest) continue;
    if (!c.is_complete && c.step < step) remove_checkpoint(files, c);
    if (!c.is_complete || complete <= std::max(kept, 1)) continue;
    remove_checkpoint(files, c);
    --complete;
  }
}

} // namespace troupe
