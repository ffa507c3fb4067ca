// Layers cut over their output channels, so that different actors can compute the slices. A slice
// is a layer like any other that has a part of the channels: it reads what the whole layer reads,
// and takes along what follows and treats each channel by itself (batch norm, activations,
// pooling). A `concat` puts the channels together again.
//
// The gradient of what the slices read is the sum of their contributions, in one fixed order.
// Another slicing adds in another order: slicing is part of the job, and where the slices are
// computed is not.
#pragma once

#include "ops/error.hpp"
#include "ops/graph.hpp"

#include <string>
#include <vector>

namespace troupe {

struct slice {
  std::string layer; // path of a dense or convolution layer, as in summary(): "3", "4.body.1"
  int slices = 2;    // a divisor of its channels; 1: whole
  friend bool operator==(const slice&, const slice&) = default;
};

// Everything that is wrong with `wanted` for the model of `g`.
std::vector<error_text> mistakes_of(const graph& g, const std::vector<slice>& wanted);

// REQUIRES: no layer of `g` is sliced. Throws error. Parameters keep their order: those of the
// model that is not sliced are whole_parameters() of the result (ops/whole_parameter.hpp).
graph sliced(const graph& g, const std::vector<slice>& wanted);

// "0:2, 4:3", the same for every order of the list; empty where nothing is sliced.
std::string text(const std::vector<slice>& slices);

} // namespace troupe
