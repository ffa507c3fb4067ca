// Writes a checkpoint as the shards of several, whoever has which block.
#pragma once

#include "ops/digest.hpp"
#include "ops/files/atomic_file.hpp"
#include "ops/files/checkpoint.hpp"
#include "ops/files/checkpoint_manifest.hpp"
#include "ops/files/checkpoint_shard.hpp"

#include <algorithm>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace troupe::test {

inline std::vector<std::pair<state_prefix, const std::vector<tensor>*>>
all_states(const checkpoint& c) {
  std::vector<std::pair<state_prefix, const std::vector<tensor>*>> out{{{"", true}, &c.parameters}};
  const auto add = [&](const std::string& prefix, const std::vector<std::vector<tensor>>& states) {
    for (std::size_t i = 0; i < states.size(); ++i)
      out.push_back({{prefix + std::to_string(i) + "."}, &states[i]});
  };
  add("optimizer.", c.slots);
  add("residual.", c.residuals);
  for (std::size_t w = 0; w < c.islands.size(); ++w) {
    const auto prefix = "island." + std::to_string(w + 1) + ".";
    if (!c.islands[w].parameters.empty()) out.push_back({{prefix, true}, &c.islands[w].parameters});
    add(prefix + "optimizer.", c.islands[w].slots);
  }
  return out;
}

// The bytes of one's shard: of the blocks b with owner[b] == who.
inline std::string shard_bytes(const parameter_layout& layout,
                               const checkpoint& c,
                               const std::vector<int>& owner,
                               int who) {
  shard_content content{.step = c.step, .states = {}};
  for (const auto& [prefix, blocks] : all_states(c)) {
    content.states.push_back({prefix, std::vector<tensor>(blocks->size())});
    for (std::size_t b = 0; b < blocks->size(); ++b)
      if (owner[b] == who) content.states.back().blocks[b] = (*blocks)[b];
  }
  std::string bytes;
  order_digests orders;
  write_shard(layout, content, orders, [&](std::string_view piece) { bytes += piece; });
  return bytes;
}

inline shard_file
write_bytes(const std::string& folder, const std::string& who, std::string bytes) {
  shard_file out{.bytes = bytes.size(), .digest = digest_of(bytes.data(), bytes.size())};
  out.name = shard_name(who, out.digest);
  write_file_atomically(folder + "/" + out.name, bytes);
  return out;
}

inline checkpoint_manifest manifest_for(const checkpoint& c) {
  checkpoint_manifest m{.step = c.step,
                        .slots = c.slots.size(),
                        .residuals = c.residuals.size(),
                        .islands = c.islands.size(),
                        .job = c.job,
                        .shards = {}};
  if (c.islands.empty()) return m;
  m.island_slots = c.islands.front().slots.size();
  m.island_parameters = !c.islands.front().parameters.empty();
  return m;
}

inline checkpoint_manifest write_shards(const std::string& folder,
                                        const parameter_layout& layout,
                                        const checkpoint& c,
                                        const std::vector<int>& owner) {
  std::filesystem::create_directories(folder);
  auto m = manifest_for(c);
  for (int who = 0; who <= *std::max_element(owner.begin(), owner.end()); ++who)
    m.shards.push_back(write_bytes(
        folder, "parameter_holder-" + std::to_string(who), shard_bytes(layout, c, owner, who)));
  write_file_atomically(folder + "/" + std::string(manifest_name), manifest_text(m));
  return m;
}

} // namespace troupe::test
