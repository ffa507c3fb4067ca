#include "ops/error.hpp"
#include "ops/kernels/support.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>
#include <utility>

namespace troupe::kernel_tests {

namespace {

using bits = std::vector<std::vector<float>>;

network with_dropout() {
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

std::vector<network> all_networks() {
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
bits result_of(const parameter_layout& layout,
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
  parts_of_model(const network& n, const graph& g, compile_options options, int in_flight)
      : network_(n), graph_(g), split_(options.split_backward) {
    const int parts =
        1 + *std::max_element(options.part_of_piece.begin(), options.part_of_piece.end());
    options.has_siblings = in_flight > 1;
    for (options.part = 0; options.part < parts; ++options.part) {
      options.sibling_of = nullptr;
      auto& programs = programs_.emplace_back();
      for (int m = 0; m < in_flight; ++m) {
        programs.push_back(compile_cpu(g, options));
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

bits whole(const network& n, const graph& g, int microbatch) {
  const auto p = compile_cpu(g, {.microbatch = n.microbatch});
  const auto r = run_step(
      *p, n, g, pack(p->layout(), plain_parameters(n, g)), parts_of_model::key(microbatch));
  return result_of(p->layout(), r.output, r.loss, r.gradients);
}

std::vector<std::vector<int>> cuts(int pieces) {
  std::vector<std::vector<int>> out;
  for (int at = 1; at < pieces; ++at) {
    out.emplace_back(static_cast<std::size_t>(pieces), 0);
    std::fill(out.back().begin() + at, out.back().end(), 1);
  }
  out.emplace_back(static_cast<std::size_t>(pieces));
  std::iota(out.back().begin(), out.back().end(), 0); // each piece a part of its own
  return out;
}

} // namespace

TEST_CASE("a model cut anywhere computes the bits of the whole") {
  for (const network& n : all_networks()) {
    const graph g = graph_of(n);
    const bits expected = whole(n, g, 0);
    const auto pieces = pieces_of(g, {.microbatch = n.microbatch});
    for (const auto& cut : cuts(static_cast<int>(pieces.size())))
      for (const bool split : {false, true}) {
        INFO(n.name,
             " ",
             text(n.slices),
             " into ",
             cut.back() + 1,
             ", first part ends at piece ",
             std::count(cut.begin(), cut.end(), 0),
             ", split ",
             split);
        parts_of_model parts(
            n, g, {.microbatch = n.microbatch, .part_of_piece = cut, .split_backward = split}, 1);
        CHECK(parts.run().front() == expected);
      }
  }
}

TEST_CASE("the slices of a layer may be parts in any order") {
  for (const network& n : sliced_networks()) {
    INFO(n.name, " ", text(n.slices));
    const graph g = graph_of(n);
    const auto pieces = pieces_of(g, {.microbatch = n.microbatch});
    std::vector<int> backwards(pieces.size());
    std::iota(backwards.begin(), backwards.end(), 0);
    for (std::size_t p = 0; p < pieces.size(); ++p)
      if (pieces[p].slices > 1) backwards[p] += pieces[p].slices - 1 - 2 * pieces[p].slice;
    parts_of_model parts(n, g, {.microbatch = n.microbatch, .part_of_piece = backwards}, 1);
    CHECK(parts.run().front() == whole(n, g, 0));
  }
}

TEST_CASE("microbatches in flight do not disturb each other") {
  for (const network& n : all_networks()) {
    const graph g = graph_of(n);
    const auto pieces = static_cast<int>(pieces_of(g, {.microbatch = n.microbatch}).size());
    for (const auto& cut :
         {cuts(pieces)[static_cast<std::size_t>(pieces) / 2 - 1], cuts(pieces).back()})
      for (const bool split : {false, true}) {
        INFO(n.name, " into ", cut.back() + 1, ", split ", split);
        parts_of_model parts(
            n, g, {.microbatch = n.microbatch, .part_of_piece = cut, .split_backward = split}, 3);
        const auto got = parts.run();
        for (int m = 0; m < 3; ++m)
          CHECK(got[static_cast<std::size_t>(m)] == whole(n, g, m));
      }
  }
}

TEST_CASE("blocks that are split hold the same values, gradients and digest") {
  int splits = 0;
  for (const network& n : all_networks()) {
    INFO(n.name);
    const graph g = graph_of(n);
    const auto plain = plain_parameters(n, g);
    const auto p = compile_cpu(g, {.microbatch = n.microbatch});
    const parameter_layout split = split_blocks(p->layout(), chunk_elements);
    const auto q = compile_cpu(g,
                               {.microbatch = n.microbatch,
                                .block_bytes_max = chunk_elements * std::int64_t{sizeof(float)}});
    CHECK(q->layout().blocks == split.blocks);
    splits += split.blocks.size() > p->layout().blocks.size() ? 1 : 0;
    const auto whole_blocks = pack(p->layout(), plain), split_blocks = pack(q->layout(), plain);
    CHECK(parameter_digest(p->layout(), whole_blocks) == parameter_digest(split, split_blocks));
    for (std::size_t i = 0; i < plain.size(); ++i)
      CHECK(plain_values(split, static_cast<int>(i), split_blocks) == plain[i]);
    const auto a = run_step(*p, n, g, whole_blocks), b = run_step(*q, n, g, split_blocks);
    CHECK(result_of(p->layout(), a.output, a.loss, a.gradients) ==
          result_of(q->layout(), b.output, b.loss, b.gradients));
  }
  CHECK(splits > 0);
}

TEST_CASE("the parts of a model share its parameters and their digest") {
  for (const network& n : all_networks()) {
    INFO(n.name);
    const graph g = graph_of(n);
    const auto plain = plain_parameters(n, g);
    const auto whole = compile_cpu(g, {.microbatch = n.microbatch});
    const auto pieces = pieces_of(g, {.microbatch = n.microbatch}).size();
    const auto part = compile_cpu(
        g, {.microbatch = n.microbatch, .part_of_piece = cuts(static_cast<int>(pieces)).back()});
    CHECK(parameter_digest(whole->layout(), pack(whole->layout(), plain)) ==
          parameter_digest(part->layout(), pack(part->layout(), plain)));
  }
}

TEST_CASE("pieces are the nodes of the model in order, each once") {
  for (const network& n : all_networks()) {
    const graph g = graph_of(n);
    std::vector<int> nodes;
    std::int64_t flops = 0, elements = 0;
    for (const piece& p : pieces_of(g, {.microbatch = n.microbatch})) {
      CHECK(!p.name.empty());
      nodes.insert(nodes.end(), p.nodes.begin(), p.nodes.end());
      flops += p.flops;
      elements += p.elements;
    }
    std::vector<int> expected(g.nodes.size() - 1);
    std::iota(expected.begin(), expected.end(), 1);
    std::sort(nodes.begin(), nodes.end());
    CHECK(nodes == expected);
    CHECK(flops == g.flops());
    std::int64_t all = 0;
    for (const auto& spec : g.parameters)
      all += spec.dims.elements();
    CHECK(elements == all);
  }
}

TEST_CASE("parts that are not numbered in the order of execution are refused") {
  const network n = with_dropout();
  const graph g = graph_of(n);
  std::vector<int> cut(pieces_of(g, {.microbatch = n.microbatch}).size(), 0);
  cut.front() = 1;
  CHECK_THROWS_AS(compile_cpu(g, {.microbatch = n.microbatch, .part_of_piece = cut}), error);
}

TEST_CASE("a sibling needs less memory than a program alone") {
  const network n = networks().back();
  const graph g = graph_of(n);
  const auto alone = compile_cpu(g, {.microbatch = n.microbatch});
  const auto first = compile_cpu(g, {.microbatch = n.microbatch, .has_siblings = true});
  const auto second =
      compile_cpu(g, {.microbatch = n.microbatch, .has_siblings = true, .sibling_of = first.get()});
  CHECK(second->memory_bytes() < alone->memory_bytes());
  CHECK(second->memory_bytes() < first->memory_bytes());
}

} // namespace troupe::kernel_tests
