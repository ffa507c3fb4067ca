// A compiled program: three lists of operations (on new parameters, forward, backward) over one
// arena.
#pragma once

#include "ops/kernels/arena.hpp"
#include "ops/kernels/builder.hpp"
#include "ops/program.hpp"

#include <memory>
#include <vector>

namespace troupe::kernels {

class cpu_program final : public program {
public:
  // REQUIRES: all layers are built; `output` and `output_gradient` are row-major.
  cpu_program(builder&& built, const view& output, const view& output_gradient);

  [[nodiscard]] const parameter_layout& layout() const override { return layout_; }

  [[nodiscard]] std::int64_t microbatch() const override { return microbatch_; }

  void bind(std::span<const tensor> blocks) override;
  void forward(const tensor& input, const microbatch_key& key) override;
  std::span<const float> output() override;
  loss_value compute_loss(const loss& l, const tensor& targets, double normaliser) override;
  void backward(gradient_sink& sink) override;

  void cancel_when(const std::atomic<bool>* flag) override { cancel_ = flag; }

  [[nodiscard]] std::size_t memory_bytes() const override { return arena_.size(); }

  void profile(bool on) override;
  [[nodiscard]] std::vector<kernel_time> profile() const override;

private:
  void place_values(std::vector<slot>& slots, const view& output, const view& output_gradient);
  void place_parameters(const graph& g, const compile_options& options);
  void seal(std::vector<operation>& operations);
  void run(operation& op);
  [[nodiscard]] bool cancelled() const;
  void take_gradients();

  struct gap { // of a block: between its parameters, written by nobody
    std::int64_t offset = 0, size = 0;
  };

  std::int64_t microbatch_ = 0;
  shape input_shape_, output_shape_; // with the batch axis
  bool training_ = false;
  std::shared_ptr<microbatch_key> key_;
  dnnl::stream stream_;
  std::vector<operation> bind_, forward_, backward_;
  std::vector<dnnl::memory> inputs_;
  dnnl::memory output_, output_gradient_;
  std::vector<bound_parameter> parameters_;
  parameter_layout layout_;
  std::vector<std::vector<gap>> gaps_; // per block
  std::vector<tensor> blocks_;
  std::vector<mutable_tensor> gradients_; // per block, while backward runs
  tensor input_;
  aligned_buffer arena_;
  bool bound_anew_ = false;
  bool profiling_ = false;
  const std::atomic<bool>* cancel_ = nullptr;
};

} // namespace troupe::kernels
