// The order of a parameter that a kernel reads: a chain of oneDNN reorders from PyTorch's order.
// More than one step is needed where a dense layer follows a blocked activation: its weight's
// columns are first put into the order of the activation's memory, then into the order of the
// matrix kernel.
#pragma once

#include "ops/kernels/dnnl_support.hpp"
#include "ops/parameter_layout.hpp"

#include <memory>
#include <vector>

namespace troupe::kernels {

class packed_order final : public relayout {
public:
  struct step {
    memory_desc from;
    memory_desc to; // the next step's `from` may see the same memory under other axes
  };

  // REQUIRES: at least one step; the first `from` is plain.
  explicit packed_order(std::vector<step> steps) : steps_(std::move(steps)) {}

  packed_order(const memory_desc& plain, const memory_desc& packed)
      : packed_order(std::vector<step>{{plain, packed}}) {}

  void pack(std::span<const float> plain, std::span<float> packed) const override;
  void unpack(std::span<const float> packed, std::span<float> plain) const override;

  [[nodiscard]] const memory_desc& packed_desc() const { return steps_.back().to; }

  [[nodiscard]] bool changes_nothing() const;
  friend bool operator==(const packed_order& a, const packed_order& b);

private:
  std::vector<step> steps_;
};

} // namespace troupe::kernels
