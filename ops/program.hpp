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

// What a kernel is run for: new parameters (once per bind), then each microbatch's passes. Of
// backward, `backward_weights` is what nobody outside its piece waits for.
enum class kernel_phase : std::uint8_t { bind, forward, backward_inputs, backward_weights };

struct kernel_time {
  std::string name; // "0.forward conv2d winograd 5x5"
  double seconds = 0;
  int piece = 0; // of pieces_of()
  kernel_phase phase = kernel_phase::bind;
};

enum class pass : std::uint8_t { forward, backward };

// A value that one part of a model writes and another reads, once per microbatch. Its index in
// program::crossings() is the same for every part of the same model.
struct crossing {
  int from = 0, to = 0;         // parts
  pass written = pass::forward; // which pass of `from` writes it
  pass needed = pass::forward;  // which pass of `to` reads it first
  std::int64_t elements = 0;    // floats

  friend bool operator==(const crossing&, const crossing&) = default;
};

class value_sink {
public:
  virtual ~value_sink() = default;
  // As soon as no operation of this part will change it; before the gradients that follow.
  virtual void on_value(int crossing, tensor value) = 0;
};

// Which gradients backward computes. Those of the weights may be left for later (zero-bubble
// schedules); then they come second.
enum class gradients { all, inputs, weights };

class program {
public:
  virtual ~program() = default;

  [[nodiscard]] virtual const parameter_layout& layout() const = 0;
  [[nodiscard]] virtual std::int64_t microbatch() const = 0;

  // One tensor per block; kept until the next bind. A part needs those of its parameters alone.
  virtual void bind(std::span<const tensor> blocks) = 0;

  // A part of a model: what crosses between all parts, and whether this one reads the batch and
  // computes the loss. A whole model crosses nothing.
  [[nodiscard]] virtual const std::vector<crossing>& crossings() const = 0;
  [[nodiscard]] virtual bool reads_input() const = 0;
  [[nodiscard]] virtual bool computes_loss() const = 0;
  [[nodiscard]] virtual bool owns(int block) const = 0; // has parameters of this part

  // The value of a crossing to this part; before the pass that needs it, in any order.
  virtual void receive(int crossing, const tensor& value) = 0;

  // input: [microbatch, input shape], row-major; empty for a part that does not read it. Training
  // mode uses batch statistics and dropout.
  virtual void forward(const tensor& input, const microbatch_key& key, value_sink& out) = 0;
  void forward(const tensor& input, const microbatch_key& key); // of a whole model

  // The last forward's output, [microbatch, outputs] row-major; valid until the next forward.
  virtual std::span<const float> output() = 0;

  // The loss of the last forward; training programs keep its gradient for backward().
  virtual loss_value compute_loss(const loss& l, const tensor& targets, double normaliser) = 0;
  virtual void backward(gradient_sink& sink, value_sink& out, gradients which) = 0;
  void backward(gradient_sink& sink); // of a whole model

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
  // Parameters, and what crosses between parts, lie as PyTorch has them: the other parts, or the
  // other replicas, may be a GPU's programs. Without own kernels.
  bool row_major = false;
  std::int64_t block_bytes_min = 256 * 1024;
  std::int64_t block_bytes_max = 0; // larger ones are split; 0: none is
  // A part of the model: for each of pieces_of(), who computes it (parts are numbered from 0, in
  // the order of execution), and which part this program is. Empty: the whole model.
  std::vector<int> part_of_piece;
  // Or so for each node of the graph, whatever the pieces are: programs of all devices are cut
  // alike.
  std::vector<int> part_of_node;
  int part = 0;
  bool split_backward = false; // gradients::inputs and ::weights will be asked for one by one
  // Several microbatches in flight: each has a program, and all are siblings of the first. They
  // share what is made of the parameters (bind the first one before the others) and the memory of
  // values that do not outlive a pass; so one of them runs at a time. `sibling_of` was compiled
  // with equal options and must outlive this program.
  bool has_siblings = false;
  const program* sibling_of = nullptr;
};

// What can be computed apart: nodes that run as one kernel, or write each other's gradients, are
// one piece, and so is a slice of a layer with what it takes along. In the order of execution; the
// slices of one layer follow each other, and need nothing of each other.
struct piece {
  std::vector<int> nodes;
  std::string name;          // "0 conv2d", "4 dense, slice 1 of 2"
  int slice = 0, slices = 1; // of a layer that is cut: which one, of how many
  std::int64_t flops = 0;    // forward, per image
  std::int64_t elements = 0; // parameters, statistics included
};

std::vector<piece> pieces_of(const graph& g, const compile_options& options);

// compile_options::part_of_node, where these pieces are dealt out like that.
std::vector<int> part_of_node(const graph& g,
                              const std::vector<piece>& pieces,
                              const std::vector<int>& part_of_piece);

// CPU backend (oneDNN, single-threaded: parallelism comes from actors). The bits of its results
// depend on the instruction set and the shapes, not on the thread that compiles or runs it.
std::unique_ptr<program> compile_cpu(const graph& g, const compile_options& options);

// What this machine's CPU backend uses, one line each: instruction set, oneDNN version, own
// kernels.
std::vector<std::string> describe_cpu_backend();

} // namespace troupe
