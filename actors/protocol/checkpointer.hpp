// What a checkpointer says.
#pragma once

#include "actors/address.hpp"
#include "ops/files/checkpoint_manifest.hpp"
#include "ops/tensor.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace troupe::protocol {

// From: checkpointer. To: director. Key: (request). Twice: dropped. Bound: one per save.
struct saved {
  std::uint64_t request = 0;
  std::string path;
  std::vector<tensor> parameters; // by block, where they were wanted
  std::string problem; // empty, or why nothing was written (disk full ...); the job goes on
};

// From: checkpointer. To: parameter_holder, residual_keeper, each of which writes what it has of
// that version. Answered by `shard_written`. Training goes on meanwhile.
// Key: (folder). Twice: answered again. Bound: one at a time.
struct want_shard {
  std::uint64_t request = 0;
  address reply_to;
  std::uint64_t version = 0; // steps committed
  std::string folder;
};

// From: parameter_holder, residual_keeper. To: checkpointer: the shard is durable, or there is
// none. Key: (folder, writer). Twice: no effect. Bound: one per want_shard.
struct shard_written {
  std::string folder;
  address writer;
  shard_file file;     // without a name: it has nothing of this checkpoint
  std::string problem; // empty, or why there is none
};

// From: checkpointer's files. To: itself. Key: (folder, stage). Twice: cannot happen. Bound: one
// at a time.
enum class save_stage : std::uint8_t { folder_made, completed };

struct written {
  std::string folder;
  save_stage stage = save_stage::folder_made;
  std::string problem;
};

// From: a shard's writer. To: itself. Key: (folder). Twice: cannot happen. Bound: one per
// want_shard.
struct shard_done {
  std::string folder;
  shard_file file;
  std::string problem;
};

} // namespace troupe::protocol
