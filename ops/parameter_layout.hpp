// How the parameters of a model lie in memory while a job runs. They are cut into blocks, the unit
// of messages, aggregation and ownership: one flat buffer each, holding whole parameters at 64-byte
// aligned offsets, trainable ones first and statistics after them. Within its place a parameter has
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
  int block = 0;
  std::int64_t offset = 0;               // floats, from the start of the block
  std::int64_t size = 0;                 // floats, padding included
  std::shared_ptr<const relayout> order; // null: packed is plain
};

struct block_extent {
  std::int64_t size = 0;      // floats
  std::int64_t trainable = 0; // floats; statistics lie in [trainable, size)
};

struct parameter_layout {
  std::vector<parameter_spec> specs;    // of graph::parameters
  std::vector<placed_parameter> places; // same indices
  std::vector<block_extent> blocks;

  [[nodiscard]] std::int64_t bytes() const;
};

// The values a job starts from, one flat tensor per block; a function of the seed and each
// parameter's index alone.
std::vector<tensor> initial_parameters(const parameter_layout& layout, std::uint64_t seed);

// Plain values of parameter `index`, as PyTorch would hold them.
std::vector<float>
plain_values(const parameter_layout& layout, int index, std::span<const tensor> blocks);

// Blocks from plain values, one span per parameter. REQUIRES: plain[i].size() ==
// specs[i].dims.elements().
std::vector<tensor> packed_blocks(const parameter_layout& layout,
                                  std::span<const std::span<const float>> plain);

} // namespace troupe
