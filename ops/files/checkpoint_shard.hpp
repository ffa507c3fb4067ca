// One holder's part of a checkpoint: a safetensors file of the parameters, the optimizer state and
// the residuals that are here. A shard names what a checkpoint of one file would (ops/files/
// checkpoint.hpp), so the shards of a checkpoint together have the tensors of that file.
//
// What is whole here is in PyTorch's order, so that any machine and any wiring can read it; of a
// layer that is sliced, rows 0 to 63 are "0.weight[0:64]". Of a parameter that several hold, a
// piece is in the order of the kernels ("0.weight@16384": from there on), and only kernels of the
// same order can read it: the metadata say which ("order 0.weight").
#pragma once

#include "ops/files/state_dict.hpp"
#include "ops/parameter_layout.hpp"
#include "ops/tensor.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

constexpr std::string_view shard_format = "troupe shard 1";

struct shard_state {
  state_prefix prefix;        // "": the parameters
  std::vector<tensor> blocks; // one per block of the layout; empty: it is elsewhere
};

struct shard_content {
  std::uint64_t step = 0;
  std::vector<shard_state> states;
};

// In pieces of at most this.
constexpr std::size_t shard_piece_bytes = std::size_t{1} << 20U;

using piece_sink = std::function<void(std::string_view)>;

// The order that a parameter has in memory. Two layouts with the same one agree on every value's
// place.
std::uint64_t order_digest(const parameter_layout& layout, int parameter);

using order_digests = std::map<int, std::uint64_t>; // by parameter, of those that were asked for

// Needs the memory of the largest parameter, twice. `known` are the orders that were found before.
void write_shard(const parameter_layout& layout,
                 const shard_content& c,
                 order_digests& known,
                 const piece_sink& sink);

} // namespace troupe
