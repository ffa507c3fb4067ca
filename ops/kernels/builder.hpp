// What the layers build their part of a program with. A layer's builder adds its forward
// operations, and leaves a closure that adds its backward operations; closures run in reverse
// order, once the whole forward pass is known. Values are `view`s: a oneDNN memory on a slot of the
// arena. The lifetime of a slot is that of the operations that touch it, so nobody declares one.
//
// Gradients: each reader of a node contributes one to it; gradient_of() sums them. A contribution
// that nobody else sees is `owned` and may be overwritten in place.
#pragma once

#include "ops/graph.hpp"
#include "ops/kernels/dnnl_support.hpp"
#include "ops/kernels/packed_order.hpp"
#include "ops/kernels/unit.hpp"
#include "ops/program.hpp"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace troupe::kernels {

struct view {
  static constexpr int external = -1; // not in the arena: parameters, their gradients, the input

  dnnl::memory memory;
  int slot = external;

  [[nodiscard]] memory_desc desc() const { return memory.get_desc(); }
};

struct gradient {
  view value;
  bool owned = false;
};

enum class phase {
  bind, // once per new parameters: transforms of weights
  forward,
  backward,
};

// What an operation reads or writes. What it changes in place, it uses twice.
struct use {
  int argument = 0; // DNNL_ARG_..., of a primitive
  view value;
  bool written = false;
};

struct operation {
  std::string name;
  int unit = 0;              // index into units_of(graph)
  dnnl::primitive primitive; // empty: `function`
  std::vector<dnnl_exec_arg_t> arguments;
  std::function<void()> function;
  std::vector<use> uses; // keeps the memories of `arguments` alive
  std::optional<memory_desc> scratch;
  std::vector<int> completes_groups; // of blocks whose last gradient this operation writes
  std::vector<int> completes_values; // crossings that no later operation of this part writes
  // For the profile.
  double seconds = 0;
  int piece = 0;
  kernel_phase during = kernel_phase::bind;
};

struct slot {
  std::size_t bytes = 0;
  std::vector<dnnl::memory> memories; // all views of it
};

// One parameter as the kernels see it.
struct bound_parameter {
  std::shared_ptr<const packed_order> order; // null: plain
  std::int64_t size = 0;                     // floats, padding included
  dnnl::memory given;                        // as it lies in its block
  std::vector<dnnl::memory> gradients;       // views of its place in the gradient block
};

class builder {
public:
  using argument = std::pair<int, view>; // DNNL_ARG_...

  // Adds the operation target = a + b.
  using addition = std::function<void(
      builder&, const std::string& label, const view& a, const view& b, const view& target)>;

  builder(const graph& g, const compile_options& options, addition add);

  [[nodiscard]] const graph& model() const { return graph_; }

  [[nodiscard]] const node& node_at(int index) const {
    return graph_.nodes[static_cast<std::size_t>(index)];
  }

  [[nodiscard]] bool training() const { return options_.training; }

  [[nodiscard]] bool own_kernels() const { return options_.own_kernels; }

  [[nodiscard]] std::int64_t microbatch() const { return options_.microbatch; }

  [[nodiscard]] dnnl::memory::dims dims_of(int index) const {
    return with_batch(microbatch(), node_at(index).output);
  }

  [[nodiscard]] dnnl::prop_kind forward_kind() const;
  [[nodiscard]] dnnl::primitive_attr
  attributes(bool relu = false) const; // scratchpad by the program; relu fused
  [[nodiscard]] std::string name(int index, const std::string& what) const;

  // Values.
  // The layout that a kernel is asked for: of its choice, or row-major.
  [[nodiscard]] memory_desc wanted(const dnnl::memory::dims& dims) const {
    return options_.row_major ? plain_desc(dims) : any_desc(dims);
  }

  view make(const memory_desc& desc);
  view alias(const view& of, const memory_desc& desc);
  view input_alias(const memory_desc& desc); // of the batch that forward() is given

  [[nodiscard]] const view& value(int index) const {
    return values_[static_cast<std::size_t>(index)];
  }

  void set_value(int index, view v) { values_[static_cast<std::size_t>(index)] = std::move(v); }

  [[nodiscard]] int readers(int index) const; // nodes that read it

  [[nodiscard]] bool needs_gradient(int index) const {
    return needs_gradient_[static_cast<std::size_t>(index)];
  }

  void copy(phase when, const std::string& label, const view& from, const view& to);

  // `v` itself, or a reordered copy where its layout is not `desc`.
  view as(phase when, const std::string& label, const view& v, const memory_desc& desc);

  // Operations belong to the unit that is being built.
  void begin_unit(int unit) { unit_ = unit; }

  template <class PrimitiveDesc>
  void primitive(phase when,
                 std::string label,
                 const PrimitiveDesc& desc,
                 const dnnl::primitive& p,
                 const std::vector<argument>& arguments) {
    label += " [" + implementation(desc) + "]";
    add_primitive(when, std::move(label), p, arguments, desc.scratchpad_desc());
  }

  void function(phase when,
                std::string label,
                const std::vector<view>& reads,
                const std::vector<view>& writes,
                std::function<void()> f);

  // Parameters. The view has the wanted order; where an evaluation program is given another one, it
  // is converted when parameters are bound. `order` null: plain.
  view parameter(int index, std::shared_ptr<const packed_order> order, const memory_desc& desc);
  view parameter_gradient(int index, const memory_desc& desc);

  [[nodiscard]] std::int64_t parameter_elements(int index) const {
    return graph_.parameters[static_cast<std::size_t>(index)].dims.elements();
  }

  // Backward.
  void on_backward(std::function<void()> build) {
    backward_builders_.emplace_back(unit_, std::move(build));
  }

  void build_backward(); // runs the closures, last layer first
  void contribute(int index, view v, bool owned);
  gradient gradient_of(int index);
  // Not summed, for a kernel that adds two itself: one or two contributions in the layout `desc`.
  std::vector<gradient> gradient_parts(int index, const memory_desc& desc);
  // A convolution may leave the gradient of its bias to its only reader, which knows the channel
  // sums of its gradient anyway. The reader takes it before the convolution asks.
  void leave_bias_gradient(int index, view place);
  std::optional<view> take_bias_gradient(int index);
  gradient gradient_as(int index, const memory_desc& desc);

  [[nodiscard]] const microbatch_key* key() const { return key_.get(); }

  // What was built.
  [[nodiscard]] const std::vector<operation>& forward() const { return forward_; }

  [[nodiscard]] const std::vector<operation>& backward() const { return backward_; }

  [[nodiscard]] std::size_t slots() const { return slots_.size(); }

  [[nodiscard]] std::int64_t slot_elements(int slot) const;     // floats, rounded up
  [[nodiscard]] bool is_input(const view& v) const;             // the batch that forward() is given
  [[nodiscard]] int parameter_of_gradient(const view& v) const; // REQUIRES: it is one

private:
  friend class compiled_program;

  void add_primitive(phase when,
                     std::string label,
                     const dnnl::primitive& p,
                     const std::vector<argument>& arguments,
                     const memory_desc& scratch);
  std::vector<operation>& operations(phase when);
  view sum(const view& a, const view& b, const view& target, int index);

  const graph& graph_;
  compile_options options_;
  addition add_;
  std::shared_ptr<microbatch_key> key_ = std::make_shared<microbatch_key>();
  std::vector<slot> slots_;
  std::vector<dnnl::memory> inputs_;                 // views of the batch
  std::vector<view> values_;                         // per node
  std::vector<std::vector<gradient>> contributions_; // per node
  std::map<int, view> left_bias_gradients_;          // per convolution
  std::vector<bool> needs_gradient_;
  std::vector<bound_parameter> parameters_;
  std::vector<operation> bind_, forward_, backward_;
  std::vector<std::pair<int, std::function<void()>>> backward_builders_; // with their units
  int unit_ = 0;
};

} // namespace troupe::kernels
