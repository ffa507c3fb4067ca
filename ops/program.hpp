// A model compiled for one microbatch shape: every primitive, memory and layout decision made once.
// One program belongs to one computing actor at a time (not thread-safe); it holds no state that
// must outlive a step. A CUDA backend implements the same interface.
//
// Use, per microbatch: bind() when the parameters are new, forward(), then for training
// compute_loss() and backward(). Gradients are handed to the sink as soon as a block is complete.
#pragma once

#include "ops/graph.hpp"
#include "ops/loss.hpp"
#include "ops/parameter_layout.hpp"
#include "ops/tensor.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace troupe {

// What keyed random draws (dropout) depend on.
struct microbatch_key {
  std::uint64_t seed = 0;
  std::uint64_t step = 0;
  std::uint32_t microbatch = 0;
};

class gradient_sink {
public:
  virtual ~gradient_sink() = default;
  // `gradient` has the block's size and layout: trainable gradients (of loss sum / normaliser),
  // then for statistics what this microbatch measured (batch mean, unbiased batch variance).
  virtual void on_gradient(int block, tensor gradient) = 0;
};

struct kernel_time {
  std::string name; // "0.forward conv2d winograd 5x5"
  double seconds = 0;
};

class program {
public:
  virtual ~program() = default;

  [[nodiscard]] virtual const parameter_layout& layout() const = 0;
  [[nodiscard]] virtual std::int64_t microbatch() const = 0;

  // One tensor per block; kept until the next bind.
  virtual void bind(std::span<const tensor> blocks) = 0;

  // input: [microbatch, input shape], row-major. Training mode uses batch statistics and dropout.
  virtual void forward(const tensor& input, const microbatch_key& key) = 0;

  // The last forward's output, [microbatch, outputs] row-major; valid until the next forward.
  virtual std::span<const float> output() = 0;

  // Training programs: loss of the last forward, and its gradient kept for backward().
  virtual loss_value compute_loss(const loss& l, const tensor& targets, double normaliser) = 0;
  virtual void backward(gradient_sink& sink) = 0;

  // While set and true, forward and backward return early between two kernels (results are void
  // then).
  virtual void cancel_when(const std::atomic<bool>* flag) = 0;

  [[nodiscard]] virtual std::size_t
  memory_bytes() const = 0; // arenas and scratch, without parameters and gradients

  // Time per kernel since profiling was switched on.
  virtual void profile(bool on) = 0;
  [[nodiscard]] virtual std::vector<kernel_time> profile() const = 0;
};

struct compile_options {
  std::int64_t microbatch = 1;
  bool training = true;
  // Evaluation: the layout that the parameters have (of the training program); null: choose one.
  const parameter_layout* layout = nullptr;
  // Own kernels (Winograd, fused pooling) where they apply; off: oneDNN alone.
  bool own_kernels = true;
  std::int64_t block_bytes_min = 256 * 1024;
};

// CPU backend (oneDNN, single-threaded: parallelism comes from actors). The bits of its results
// depend on the instruction set and the shapes, not on the thread that compiles or runs it.
std::unique_ptr<program> compile_cpu(const graph& g, const compile_options& options);

// What this machine's CPU backend uses, one line each: instruction set, oneDNN version, own
// kernels.
std::vector<std::string> describe_cpu_backend();

} // namespace troupe
