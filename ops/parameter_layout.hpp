// How the parameters of a model lie in memory while a job runs. They are cut into blocks, the unit
// of messages, aggregation and ownership: one flat buffer each, holding parameters at 64-byte
// aligned offsets, trainable ones first and statistics after them. A block may continue the one
// before it: kernels see such a group in one piece of memory, holders own its blocks one by one, so
// one huge layer is shared by several. Within its place a parameter has
// the layout its kernel wants ("packed", padded with zeros); files and people see the plain one of
// PyTorch. The layout is a function of the model, the microbatch size and the kernels of this
// machine.
#pragma once

#include "ops/graph.hpp"
#include "ops/tensor.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace troupe {

// Between plain and packed order of one parameter. Padding is written as zero and ignored.
class relayout {
public:
  virtual ~relayout() = default;
  virtual void pack(std::span<const float> plain, std::span<float> packed) const = 0;
  virtual void unpack(std::span<const float> packed, std::span<float> plain) const = 0;
};

struct placed_parameter {
  int block = 0;                         // the first of its group
  std::int64_t offset = 0;               // floats, from the start of the group
  std::int64_t size = 0;                 // floats, padding included
  std::shared_ptr<const relayout> order; // null: packed is plain
};

struct block_extent {
  std::int64_t size = 0;      // floats
  std::int64_t trainable = 0; // floats; statistics lie in [trainable, size)
  bool continues = false;     // the block before it

  friend bool operator==(const block_extent&, const block_extent&) = default;
};

// The run [first, first + size) of a parameter's packed values, as it lies in a block.
struct stored_range {
  int parameter = 0;
  std::int64_t first = 0;
  int block = 0;
  std::int64_t offset = 0; // floats, from the start of the block
  std::int64_t size = 0;
};

struct parameter_layout {
  std::vector<parameter_spec> specs;    // of graph::parameters
  std::vector<placed_parameter> places; // same indices
  std::vector<block_extent> blocks;

  [[nodiscard]] std::int64_t bytes() const;
  [[nodiscard]] std::vector<stored_range> ranges_of_parameter(int index) const;
  [[nodiscard]] std::vector<stored_range> ranges_of_block(int block) const; // by offset
};

// Blocks are cut, and digests taken, at multiples of this from the start of a parameter.
constexpr std::int64_t chunk_elements = 16 * 1024;

// Cuts each block of more than `elements_max` into a group of about equal blocks.
parameter_layout split_blocks(parameter_layout layout, std::int64_t elements_max);

// The digest of a model's parameters is the sum (modulo 2^64) of its blocks' digests, and does not
// depend on how they are cut into blocks: each chunk is hashed with its place in its parameter.
std::uint64_t block_digest(const parameter_layout& layout, int block, const tensor& values);
std::uint64_t parameter_digest(const parameter_layout& layout, std::span<const tensor> blocks);
std::uint64_t chunk_digest(int parameter, std::int64_t chunk, std::span<const float> packed);

// The values a job starts from, one flat tensor per block; a function of the seed and each whole
// parameter's index alone (ops/whole_parameter.hpp): a slice starts from its rows of the layer's.
std::vector<tensor> initial_parameters(const parameter_layout& layout, std::uint64_t seed);

// Plain values of parameter `index`, as PyTorch would hold them.
std::vector<float>
plain_values(const parameter_layout& layout, int index, std::span<const tensor> blocks);

// Blocks from plain values, one span per parameter. REQUIRES: plain[i].size() ==
// specs[i].dims.elements().
std::vector<tensor> packed_blocks(const parameter_layout& layout,
                                  std::span<const std::span<const float>> plain);

} // namespace troupe
