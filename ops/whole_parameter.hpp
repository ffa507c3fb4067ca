// The parameters that people and files see: those of the model without slices, under their usual
// names. A sliced layer (ops/slice.hpp) keeps the rows of its weight, bias and statistics as
// parameters of the slices; where values come in or go out, they are whole.
#pragma once

#include "ops/parameter_layout.hpp"

#include <span>
#include <vector>

namespace troupe {

struct whole_parameter {
  parameter_spec spec;    // of all rows
  std::vector<int> parts; // the parameters that have them, in the order of the rows; often one
};

// In the order of the model without slices.
std::vector<whole_parameter> whole_parameters(const std::vector<parameter_spec>& specs);

// All rows in plain order.
std::vector<float> whole_values(const parameter_layout& layout,
                                const whole_parameter& p,
                                std::span<const tensor> blocks);

// Blocks from plain values, one span per whole parameter.
std::vector<tensor> packed_blocks_of_wholes(const parameter_layout& layout,
                                            std::span<const std::span<const float>> plain);

} // namespace troupe
