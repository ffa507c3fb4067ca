// Reads a checkpoint that lies in a folder of its own: a manifest and the shards that it names.
// Other files of the folder are not looked at: what a save that was given up has left there does
// no harm.
#pragma once

#include "ops/files/checkpoint_manifest.hpp"
#include "ops/files/safetensors.hpp"
#include "ops/files/state_dict.hpp"
#include "ops/parameter_layout.hpp"

#include <string>
#include <vector>

namespace troupe {

// "runs/x/checkpoints/step-00000200/checkpoint.json" for that folder, that file; else empty.
std::string manifest_of(const std::string& path);

// Throws error unless the manifest and each of its shards are what was written.
checkpoint_manifest verified_manifest(const std::string& manifest_path);

// The tensors of all shards under the names that they have in a file of the whole, but for those
// that the layout cannot tell the place of; of each prefix in `prefixes`, beside the parameters.
// Throws error.
tensor_file merged_shards(const std::string& manifest_path,
                          const checkpoint_manifest& m,
                          const parameter_layout& layout,
                          const std::vector<state_prefix>& prefixes);

} // namespace troupe
