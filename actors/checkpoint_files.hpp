// The files of a checkpoint, as roles write them: shards by those who have the state, then the
// manifest by the checkpointer, who retires the oldest checkpoints when a newer one is durable.
#pragma once

#include "actors/runtime/disk.hpp"
#include "ops/files/checkpoint_manifest.hpp"
#include "ops/files/checkpoint_shard.hpp"
#include "ops/parameter_layout.hpp"

#include <atomic>
#include <memory>
#include <string>

namespace troupe {

// Of one writer, who writes one at a time.
struct shard_place {
  std::string writer; // the beginning of the file's name
  std::shared_ptr<const parameter_layout> layout;
  order_digests orders = {};
};

// Durable when it returns, under a name that says its digest. Throws error: it is not there. Gives
// up where `cancelled` is set: nobody wants it any more.
shard_file write_shard_file(disk& files,
                            const std::string& folder,
                            shard_place& place,
                            const shard_content& content,
                            const std::atomic<bool>& cancelled);

// When all shards can be seen in the folder. Throws error: the folder has no new manifest.
void write_manifest(disk& files, const std::string& folder, const checkpoint_manifest& m);

// Where a save was given up. Does nothing to a folder that has a manifest: it is of another save.
void remove_incomplete(disk& files, const std::string& folder);

// Of the folder that `newest` lies in: keeps that one and the newest of the others, `kept` in all.
// Removes what is left of saves before it that were given up, and what is no part of it.
void retire_checkpoints(disk& files, const std::string& newest, int kept);

} // namespace troupe
