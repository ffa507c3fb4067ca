// Models cut into parts, several microbatches of them in flight, compiled for whatever computes.
#pragma once

#include "ops/kernels/support.hpp"

#include <algorithm>
#include <functional>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace troupe::kernel_tests {

using bits = std::vector<std::vector<float>>;
using compiler = std::function<std::unique_ptr<program>(const graph&, const compile_options&)>;

inline network with_dropout() {
  return {"dropped",
          {3, 8, 8},
          4,
          sequential(conv2d{16, 3, 1, 1, 1, true},
                     relu{},
                     dropout{0.3F},
                     flatten{},
                     dense{40},
                     relu{},
                     dropout{0.5F},
                     dense{4})};
}

inline std::vector<network> all_networks() {
  auto out = networks();
  out.push_back(with_dropout());
  for (network& n : sliced_networks())
    out.push_back(std::move(n));
  auto n = with_dropout();
  n.slices = {{"0", 2}, {"4", 4}, {"7", 2}};
  out.push_back(std::move(n));
  return out;
}

// What one microbatch leaves: outputs, loss, and the gradient of each parameter in plain order.
inline bits result_of(const parameter_layout& layout,
                      std::span<const float> output,
                      const loss_value& loss,
                      const std::vector<tensor>& gradients) {
  bits out{{output.begin(), output.end()}, {static_cast<float>(loss.sum)}};
  for (std::size_t p = 0; p < layout.places.size(); ++p)
    out.push_back(plain_values(layout, static_cast<int>(p), gradients));
  return out;
}

// All parts of a model, each with a program per microbatch in flight.
class parts_of_model {
public:
  parts_of_model(const network& n,
                 const graph& g,
                 compile_options options,
                 int in_flight,
                 const compiler& compile = compile_cpu)
      : network_(n), graph_(g), split_(options.split_backward) {
    const auto& cut = options.part_of_node.empty() ? options.part_of_piece : options.part_of_node;
    const int parts = 1 + *std::max_element(cut.begin(), cut.end());
    options.has_siblings = in_flight > 1;
    for (options.part = 0; options.part < parts; ++options.part) {
      options.sibling_of = nullptr;
      auto& programs = programs_.emplace_back();
      for (int m = 0; m < in_flight; ++m) {
        programs.push_back(compile(g, options));
        options.sibling_of = programs.front().get();
      }
    }
    blocks_ = pack(first().layout(), plain_parameters(n, g));
    for (auto& programs : programs_)
      for (auto& p : programs)
        p->bind(blocks_);
  }

  program& first() { return *programs_.front().front(); }

  // All forward passes, then all backward passes; where they are split, the weights of all
  // microbatches last.
  std::vector<bits> run() {
    const auto microbatches = static_cast<int>(programs_.front().size());
    std::vector<bits> out;
    std::vector<loss_value> losses;
    for (int m = 0; m < microbatches; ++m) {
      for (auto& programs : programs_) {
        post out_box{*this, m};
        auto& p = *programs[static_cast<std::size_t>(m)];
        p.forward(p.reads_input() ? input_of(network_) : tensor{}, key(m), out_box);
      }
      losses.push_back(last(m).compute_loss(softmax_cross_entropy{},
                                            labels_of(network_, graph_.output().elements()),
                                            static_cast<double>(network_.microbatch)));
    }
    std::vector<collected> sinks(static_cast<std::size_t>(microbatches),
                                 collected(first().layout().blocks.size()));
    for (int m = 0; m < microbatches; ++m)
      for (auto programs = programs_.rbegin(); programs != programs_.rend(); ++programs) {
        post out_box{*this, m};
        auto& p = *(*programs)[static_cast<std::size_t>(m)];
        p.backward(sinks[static_cast<std::size_t>(m)],
                   out_box,
                   split_ ? gradients::inputs : gradients::all);
      }
    for (int m = 0; m < microbatches; ++m) {
      auto& sink = sinks[static_cast<std::size_t>(m)];
      if (split_)
        for (auto& programs : programs_) {
          post out_box{*this, m};
          programs[static_cast<std::size_t>(m)]->backward(sink, out_box, gradients::weights);
        }
      out.push_back(result_of(
          first().layout(), last(m).output(), losses[static_cast<std::size_t>(m)], sink.gradients));
    }
    return out;
  }

  static microbatch_key key(int m) { return {5, 6, static_cast<std::uint32_t>(m)}; }

private:
  struct post final : value_sink {
    parts_of_model& to;
    int microbatch;

    post(parts_of_model& all, int m) : to(all), microbatch(m) {}

    void on_value(int crossing, tensor value) override {
      const auto part = to.first().crossings()[static_cast<std::size_t>(crossing)].to;
      to.programs_[static_cast<std::size_t>(part)][static_cast<std::size_t>(microbatch)]->receive(
          crossing, value);
    }
  };

  program& last(int m) { return *programs_.back()[static_cast<std::size_t>(m)]; }

  const network& network_;
  const graph& graph_;
  bool split_;
  std::vector<std::vector<std::unique_ptr<program>>> programs_;
  std::vector<tensor> blocks_;
};

inline bits
whole(const network& n, const graph& g, int microbatch, const compiler& compile = compile_cpu) {
  const auto p = compile(g, {.microbatch = n.microbatch});
  const auto r = run_step(
      *p, n, g, pack(p->layout(), plain_parameters(n, g)), parts_of_model::key(microbatch));
  return result_of(p->layout(), r.output, r.loss, r.gradients);
}

inline std::vector<std::vector<int>> cuts(int pieces) {
  std::vector<std::vector<int>> out;
  for (int at = 1; at < pieces; ++at) {
    out.emplace_back(static_cast<std::size_t>(pieces), 0);
    std::fill(out.back().begin() + at, out.back().end(), 1);
  }
  out.emplace_back(static_cast<std::size_t>(pieces));
  std::iota(out.back().begin(), out.back().end(), 0); // each piece a part of its own
  return out;
}

} // namespace troupe::kernel_tests
