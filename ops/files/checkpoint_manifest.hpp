// The manifest of a checkpoint that several have written, each its shard: it names the shards with
// their lengths and digests, and what they are shards of. It is written last: a checkpoint without
// one is none. JSON, sealed by a digest of its own bytes (with the seal's 16 digits as zeros).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

constexpr std::string_view manifest_name = "checkpoint.json";

struct shard_file {
  std::string name; // in the folder of the manifest
  std::uint64_t bytes = 0;
  std::uint64_t digest = 0;

  friend bool operator==(const shard_file&, const shard_file&) = default;
};

struct checkpoint_manifest {
  std::uint64_t step = 0;
  // What the shards have together beside the parameters: as many of each, and of islands their
  // parameters, within a round.
  std::uint64_t slots = 0, residuals = 0, islands = 0, island_slots = 0;
  bool island_parameters = false;
  std::map<std::string, std::string> job;
  std::vector<shard_file> shards;

  friend bool operator==(const checkpoint_manifest&, const checkpoint_manifest&) = default;
};

std::string manifest_text(const checkpoint_manifest& m);

// Throws error unless the text is what was written; `name` is for its text.
checkpoint_manifest parse_manifest(std::string_view text, const std::string& name);

// "parameter_holder-3" + digest: files of the same name have the same bytes, so that nobody writes
// over a shard of another checkpoint.
std::string shard_name(const std::string& writer, std::uint64_t digest);

} // namespace troupe
