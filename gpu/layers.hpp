// One builder for each kind of layer: forward operations now, a closure for the backward ones.
#pragma once

#include "gpu/device.hpp"
#include "ops/kernels/builder.hpp"
#include "ops/kernels/unit.hpp"

#include <memory>

namespace troupe::gpu {

// What a layer is built with, and for.
struct site {
  std::shared_ptr<device> on;
  kernels::builder& b;
  kernels::unit u;

  [[nodiscard]] int index() const { return u.first(); }

  [[nodiscard]] const node& at() const { return b.node_at(index()); }

  [[nodiscard]] int source(int which = 0) const {
    return at().inputs[static_cast<std::size_t>(which)];
  }

  [[nodiscard]] int parameter(int which) const {
    return at().parameters[static_cast<std::size_t>(which)];
  }

  [[nodiscard]] std::string name(const std::string& what) const { return b.name(index(), what); }

  // All values are row-major, so the place of one is all that a kernel needs to know.
  [[nodiscard]] kernels::view make(int node_index) const;
  [[nodiscard]] kernels::view make_like(int node_index) const; // of the gradient of its value
  [[nodiscard]] kernels::view scratch(std::size_t bytes) const;
  [[nodiscard]] kernels::view weight(int which) const;
  [[nodiscard]] kernels::view weight_gradient(int which) const;
  [[nodiscard]] image_shape image(int node_index) const; // flat values: channels of one pixel
  [[nodiscard]] std::int64_t elements(int node_index) const;

  // The gradient of the unit's value, before the relu that it ends with.
  [[nodiscard]] kernels::gradient output_gradient(const kernels::view& output) const;
};

void build_conv2d(const site& s);
void build_dense(const site& s);
void build_pool(const site& s);
void build_batch_norm(const site& s);
void build_activation(const site& s);
void build_add(const site& s);
void build_concat(const site& s);
void build_dropout(const site& s);
void build_identity(const site& s);

} // namespace troupe::gpu
