#include "troupe/stand_in_program.hpp"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

namespace troupe {

namespace {

// One thing that a pass hands on: a crossing's value, or a block's gradient.
struct handed_on {
  bool is_gradient = false;
  int index = 0;
};

// What is known of a real program.
struct program_facts {
  parameter_layout layout;
  std::vector<crossing> crossings;
  std::vector<bool> owned; // by block
  std::int64_t microbatch = 1;
  bool reads_input = true, computes_loss = true;
  std::size_t memory_bytes = 0;
  std::vector<float> output; // zeros
  std::vector<handed_on> forward;
  std::map<gradients, std::vector<handed_on>> backward;
};

struct recording final : value_sink, gradient_sink {
  std::vector<handed_on> seen;

  void on_value(int crossing, tensor) override { seen.push_back({false, crossing}); }

  void on_gradient(int block, tensor) override { seen.push_back({true, block}); }
};

struct shared_zeros {
  std::map<std::int64_t, tensor> by_size;

  const tensor& of(std::int64_t elements) {
    auto& out = by_size[elements];
    if (!out) out = zeros({elements});
    return out;
  }
};

class stand_in_program final : public program {
public:
  stand_in_program(std::shared_ptr<const program_facts> facts, std::shared_ptr<shared_zeros> zeros)
      : facts_(std::move(facts)), zeros_(std::move(zeros)) {}

  [[nodiscard]] const parameter_layout& layout() const override { return facts_->layout; }

  [[nodiscard]] std::int64_t microbatch() const override { return facts_->microbatch; }

  void bind(std::span<const tensor>) override {}

  [[nodiscard]] const std::vector<crossing>& crossings() const override {
    return facts_->crossings;
  }

  [[nodiscard]] bool reads_input() const override { return facts_->reads_input; }

  [[nodiscard]] bool computes_loss() const override { return facts_->computes_loss; }

  [[nodiscard]] bool owns(int block) const override {
    return facts_->owned[static_cast<std::size_t>(block)];
  }

  void receive(int, const tensor&) override {}

  void forward(const tensor&, const microbatch_key&, value_sink& out) override {
    for (const auto& value : facts_->forward)
      out.on_value(value.index, value_of(value.index));
  }

  std::span<const float> output() override { return facts_->output; }

  loss_value compute_loss(const loss&, const tensor&, double) override { return {}; }

  void backward(gradient_sink& sink, value_sink& out, gradients which) override {
    for (const auto& [is_gradient, index] : facts_->backward.at(which))
      if (is_gradient)
        sink.on_gradient(index,
                         zeros_->of(facts_->layout.blocks[static_cast<std::size_t>(index)].size));
      else
        out.on_value(index, value_of(index));
  }

  void cancel_when(const std::atomic<bool>*) override {}

  [[nodiscard]] std::size_t memory_bytes() const override { return facts_->memory_bytes; }

  void profile(bool) override {}

  [[nodiscard]] std::vector<kernel_time> profile() const override { return {}; }

private:
  const tensor& value_of(int crossing) {
    return zeros_->of(facts_->crossings[static_cast<std::size_t>(crossing)].elements);
  }

  std::shared_ptr<const program_facts> facts_;
  std::shared_ptr<shared_zeros> zeros_;
};

// Runs a real program on zeros.
class learning {
public:
  learning(program& real, const graph& g, const compile_options& how, program_facts& out)
      : real_(real),
        how_(how),
        out_(out),
        images_(zeros_.of(out.microbatch * g.input.elements())
                    .reshaped(g.input.with_batch(out.microbatch))) {
    std::vector<tensor> parameters;
    for (const auto& block : out.layout.blocks)
      parameters.push_back(zeros_.of(block.size));
    real_.bind(parameters);
    out_.forward = forward();
    if (!how_.training) return;
    out_.backward[gradients::all] = backward(gradients::all);
    if (!how_.split_backward) return;
    forward();
    out_.backward[gradients::inputs] = backward(gradients::inputs);
    out_.backward[gradients::weights] = backward(gradients::weights);
  }

private:
  std::vector<handed_on> forward() {
    receive(pass::forward);
    recording seen;
    real_.forward(out_.reads_input ? images_ : tensor{}, {}, seen);
    if (how_.training && out_.computes_loss)
      real_.compute_loss(
          mean_squared_error{}, zeros_.of(static_cast<std::int64_t>(out_.output.size())), 1);
    receive(pass::backward);
    return seen.seen;
  }

  std::vector<handed_on> backward(gradients which) {
    recording seen;
    real_.backward(seen, seen, which);
    return seen.seen;
  }

  void receive(pass needed) {
    for (std::size_t c = 0; c < out_.crossings.size(); ++c)
      if (out_.crossings[c].to == how_.part && out_.crossings[c].needed == needed)
        real_.receive(static_cast<int>(c), zeros_.of(out_.crossings[c].elements));
  }

  program& real_;
  const compile_options& how_;
  program_facts& out_;
  shared_zeros zeros_;
  const tensor images_;
};

program_facts facts_of(const graph& g, compile_options options) {
  options.has_siblings = false;
  options.sibling_of = nullptr;
  const auto real = compile_cpu(g, options);
  program_facts out{.layout = real->layout(),
                    .crossings = real->crossings(),
                    .microbatch = real->microbatch(),
                    .reads_input = real->reads_input(),
                    .computes_loss = real->computes_loss(),
                    .memory_bytes = real->memory_bytes()};
  for (std::size_t b = 0; b < out.layout.blocks.size(); ++b)
    out.owned.push_back(real->owns(static_cast<int>(b)));
  out.output.resize(static_cast<std::size_t>(out.microbatch * g.output().elements()));
  learning(*real, g, options, out);
  return out;
}

} // namespace

namespace {

program_compiler stand_in_compiler() {
  using kind = std::tuple<int, bool, bool>; // part, training, split backward
  return [zeros = std::make_shared<shared_zeros>(),
          known = std::make_shared<std::map<kind, std::shared_ptr<const program_facts>>>()](
             const graph& g, const compile_options& options) -> std::unique_ptr<program> {
    auto& facts = (*known)[{options.part, options.training, options.split_backward}];
    if (!facts) facts = std::make_shared<const program_facts>(facts_of(g, options));
    return std::make_unique<stand_in_program>(facts, zeros);
  };
}

// Images and targets of the sizes that the training set would give.
microbatch_source stand_in_source(const job& j) {
  const auto images = j.batch / j.microbatches;
  const bool classes = std::holds_alternative<softmax_cross_entropy>(j.loss);
  const auto outputs = graph_of(j).output().elements();
  return [inputs = zeros(j.data.train->image.with_batch(images)),
          targets = zeros(classes ? shape{images} : shape{images, outputs})](
             std::uint64_t, std::uint32_t, bool with_images) {
    return microbatch_data{with_images ? inputs : tensor{}, targets, 1.0};
  };
}

} // namespace

stand_ins stand_ins_for(const job& j) {
  return {.compile = stand_in_compiler(), .source = stand_in_source(j)};
}

} // namespace troupe
