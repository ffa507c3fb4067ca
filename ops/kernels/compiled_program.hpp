// A compiled program: three lists of operations (on new parameters, forward, backward) over one
// arena, in the memory where its kernels work.
#pragma once

#include "ops/kernels/arena.hpp"
#include "ops/kernels/boundary_values.hpp"
#include "ops/kernels/builder.hpp"
#include "ops/kernels/compile.hpp"
#include "ops/kernels/memory_space.hpp"
#include "ops/kernels/partition.hpp"
#include "ops/program.hpp"

#include <map>
#include <memory>
#include <vector>

namespace troupe::kernels {

class compiled_program final : public program {
public:
  // REQUIRES: all layers are built; `output` and `output_gradient` are row-major.
  compiled_program(builder&& built,
                   const view& output,
                   const view& output_gradient,
                   const part_map& parts,
                   const backend& by);

  [[nodiscard]] const parameter_layout& layout() const override { return layout_; }

  [[nodiscard]] std::int64_t microbatch() const override { return microbatch_; }

  void bind(std::span<const tensor> blocks) override;

  [[nodiscard]] const std::vector<crossing>& crossings() const override {
    return boundary_.crossings();
  }

  [[nodiscard]] bool reads_input() const override { return reads_input_; }

  [[nodiscard]] bool computes_loss() const override { return computes_loss_; }

  [[nodiscard]] bool owns(int block) const override;

  void receive(int crossing, const tensor& value) override { boundary_.receive(crossing, value); }

  void forward(const tensor& input, const microbatch_key& key, value_sink& out) override;
  std::span<const float> output() override;
  loss_value compute_loss(const loss& l, const tensor& targets, double normaliser) override;
  void backward(gradient_sink& sink, value_sink& out, gradients which) override;

  void cancel_when(const std::atomic<bool>* flag) override { cancel_ = flag; }

  [[nodiscard]] std::size_t memory_bytes() const override {
    return arena_.bytes + (first_ ? shared_.bytes : 0);
  }

  void profile(bool on) override;
  [[nodiscard]] std::vector<kernel_time> profile() const override;

private:
  struct gap { // between parameters, written by nobody
    std::int64_t offset = 0, size = 0;
  };

  // A run of blocks that kernels see in one piece of memory.
  struct block_group {
    int first = 0, count = 0; // blocks
    std::int64_t size = 0;    // floats
    bool own = false;         // has parameters of this part
    std::vector<gap> gaps;
    std::shared_ptr<std::byte> parameters; // where kernels do not read the tensor itself
    mirror shown;                          // of the gradient
    mutable_tensor gradient;               // from backward's begin to its end
  };

  struct arena {
    std::shared_ptr<std::byte> data;
    std::size_t bytes = 0;
  };

  static void note_phases(builder& built,
                          const view& output,
                          const view& output_gradient,
                          const part_map& parts);
  void take_part(const builder& built,
                 const view& output,
                 const view& output_gradient,
                 const part_map& parts);
  [[nodiscard]] std::vector<lifetime>
  lives_of(const std::vector<slot>& slots, const view& output, const view& output_gradient) const;
  [[nodiscard]] bool outlives_pass(const lifetime& life) const;
  void place_values(std::vector<slot>& slots, std::vector<lifetime> lives);
  void place_parameters(const graph& g, const compile_options& options, const part_map& parts);
  void group_blocks(const part_map& parts);
  [[nodiscard]] arena make_arena(std::size_t bytes) const;
  const float* parameters_of(block_group& group);
  void find_gaps();
  void find_last_gradients();
  void seal(std::vector<operation>& operations);
  void run(operation& op);
  [[nodiscard]] bool is_input(const view& v) const;
  [[nodiscard]] bool cancelled() const;
  void take_gradients();
  void hand_over(block_group& group, gradient_sink& sink) const;

  std::shared_ptr<memory_space> memory_;
  std::int64_t microbatch_ = 0;
  int part_ = 0;
  shape input_shape_, output_shape_; // with the batch axis
  bool training_ = false;
  std::shared_ptr<microbatch_key> key_;
  dnnl::stream stream_;
  std::vector<operation> bind_, forward_, backward_;
  std::size_t weights_begin_ = 0; // of backward_: where split, weight gradients come last
  boundary_values boundary_;
  bool reads_input_ = false, computes_loss_ = false;
  std::vector<dnnl::memory> inputs_;
  mirror shown_input_;
  dnnl::memory output_, output_gradient_;
  std::vector<float> output_copy_; // where tensors are copied
  loss_function loss_;
  std::vector<bound_parameter> parameters_;
  parameter_layout layout_;
  std::vector<block_group> groups_;
  std::vector<int> group_of_parameter_;
  std::vector<tensor> blocks_;
  tensor input_;
  arena arena_;
  arena shared_;                             // with siblings
  bool has_siblings_ = false, first_ = true; // of the siblings
  bool profiling_ = false;
  const std::atomic<bool>* cancel_ = nullptr;
};

} // namespace troupe::kernels
