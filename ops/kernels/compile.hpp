// What turns a graph into a program, whatever computes it: its units are built one by one into
// operations, which are dealt out to the parts of the model and placed in memory.
#pragma once

#include "ops/kernels/builder.hpp"
#include "ops/kernels/memory_space.hpp"
#include "ops/kernels/unit.hpp"
#include "ops/program.hpp"

#include <functional>
#include <memory>
#include <vector>

namespace troupe::kernels {

// The loss of the outputs [n, outputs] where they lie; its gradient is written there too, unless
// that is null.
using loss_function = std::function<loss_value(
    const loss&, const tensor& targets, double normaliser, const float* output, float* gradient)>;

struct backend {
  std::shared_ptr<memory_space> memory;
  fusing allowed;
  std::function<void(builder&, const unit&)> build_unit; // its operations, and the backward ones
  builder::addition add; // of the backward pass; values of one layout, `target` may be `a`
  // For outputs of that shape, batch axis included. Empty: evaluate_loss.
  std::function<loss_function(const shape& output)> make_loss;
};

std::unique_ptr<program> compile(const graph& g, const compile_options& options, const backend& by);

std::vector<piece> pieces_of(const graph& g, const compile_options& options, const backend& by);

} // namespace troupe::kernels
