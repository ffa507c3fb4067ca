// Draws small jobs for property tests: every kind of layer, loss, optimizer and sampling, on images
// of odd sizes. A layer that does not fit what stands before it is left out.
#pragma once

#include "ops/data/dataset.hpp"
#include "ops/error.hpp"
#include "support/chance.hpp"
#include "troupe/job.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace troupe::test {

class random_model {
public:
  random_model(chance& c, const shape& image, std::int64_t microbatch)
      : chance_(c), image_(image), microbatch_(microbatch) {}

  model draw(int classes) {
    for (int n = chance_.percent(20) ? 0 : chance_.between(1, 4); n > 0; --n)
      add_image_block();
    if (chance_.percent(25)) add(global_average_pool{});
    add(flatten{});
    if (chance_.percent(20)) add(dense{chance_.between(300, 500)}); // may be split into blocks
    for (int n = chance_.between(0, 2); n > 0; --n) {
      add(dense{chance_.between(2, 24), chance_.percent(70)});
      add_follower();
    }
    add(dense{classes});
    return std::move(model_);
  }

private:
  [[nodiscard]] shape now() const {
    return model_.layers.empty() ? image_ : build_graph(model_, image_).output();
  }

  bool add(layer l) {
    model_.layers.push_back(std::move(l));
    try {
      build_graph(model_, image_);
      return true;
    } catch (const error&) {
      model_.layers.pop_back();
      return false;
    }
  }

  conv2d random_conv() {
    const int kernel = chance_.one_of({1, 2, 3, 3, 5});
    conv2d out{.channels = chance_.one_of({1, 2, 3, 4, 5, 8, 12, 16}),
               .kernel = kernel,
               .stride = chance_.one_of({1, 1, 2}),
               .padding = chance_.between(0, kernel / 2),
               .bias = chance_.percent(50)};
    if (chance_.percent(15) && now()[0] % 2 == 0 && out.channels % 2 == 0) out.groups = 2;
    return out;
  }

  layer random_activation() {
    switch (chance_.between(0, 5)) {
    case 0:
      return leaky_relu{};
    case 1:
      return sigmoid{};
    case 2:
      return tanh_activation{};
    default:
      return relu{};
    }
  }

  // The variance of a single value is none.
  [[nodiscard]] bool normalisable() const {
    const shape s = now();
    return microbatch_ * (s.rank() == 3 ? s[1] * s[2] : 1) > 1;
  }

  void add_follower() {
    if (chance_.percent(40) && normalisable()) add(batch_norm{});
    if (chance_.percent(80)) add(random_activation());
    if (chance_.percent(20)) add(dropout{0.25F});
  }

  void add_image_block() {
    const int what = chance_.between(0, 9);
    if (what < 6) {
      add(random_conv());
      add_follower();
    } else if (what < 8) {
      add_residual();
    }
    if (chance_.percent(30))
      add(max_pool2d{chance_.one_of({2, 3}), chance_.between(0, 2), chance_.between(0, 1)});
    else if (chance_.percent(20))
      add(average_pool2d{chance_.one_of({2, 3}), chance_.between(0, 2), chance_.between(0, 1)});
  }

  void add_residual() {
    const auto in = static_cast<int>(now()[0]);
    const bool projects = chance_.percent(50);
    const int stride = projects ? chance_.one_of({1, 2}) : 1;
    const int channels = projects ? chance_.one_of({2, 4, 8}) : in;
    const bool bias = chance_.percent(30), norm = normalisable() && chance_.percent(70);
    residual block{.relu_after = chance_.percent(60)};
    const auto convolve = [&](std::vector<layer>& to, int kernel, int step) {
      to.emplace_back(conv2d{.channels = channels,
                             .kernel = kernel,
                             .stride = step,
                             .padding = kernel / 2,
                             .bias = bias});
      if (norm) to.emplace_back(batch_norm{});
    };
    convolve(block.body, 3, stride);
    if (chance_.percent(60)) {
      block.body.push_back(random_activation());
      convolve(block.body, 3, 1);
    }
    if (projects) convolve(block.shortcut, 1, stride);
    // A stride may leave a single value to the norm.
    if (norm && stride > 1 && microbatch_ == 1) return;
    add(std::move(block));
  }

  chance& chance_;
  const shape image_;
  const std::int64_t microbatch_;
  model model_;
};

inline loss random_loss(chance& c, int classes) {
  if (c.percent(15)) return mean_squared_error{};
  if (c.percent(15)) return binary_cross_entropy_logits{};
  softmax_cross_entropy out;
  if (c.percent(25)) out.label_smoothing = 0.1F;
  if (c.percent(25))
    for (int i = 0; i < classes; ++i)
      out.class_weights.push_back(c.one_of({0.5F, 1.0F, 1.75F}));
  return out;
}

inline optimizer random_optimizer(chance& c) {
  const float decay = c.one_of({0.0F, 0.0F, 1e-3F});
  switch (c.between(0, 4)) {
  case 0:
    return sgd{.weight_decay = decay};
  case 1:
    return sgd{.momentum = 0.9F, .weight_decay = decay};
  case 2:
    return sgd{.momentum = 0.8F, .nesterov = true, .weight_decay = decay};
  case 3:
    return adam{.weight_decay = decay};
  default:
    return adamw{.weight_decay = decay};
  }
}

inline learning_rate random_learning_rate(chance& c) {
  learning_rate out{.base = c.one_of({0.001F, 0.004F, 0.01F})};
  out.kind = c.one_of({learning_rate::shape_kind::constant,
                       learning_rate::shape_kind::step,
                       learning_rate::shape_kind::cosine});
  if (out.kind == learning_rate::shape_kind::step) out.milestones = {1, 3};
  out.warmup_steps = c.between(0, 2);
  return out;
}

inline outer_steps random_outer_steps(chance& c, std::uint32_t microbatches) {
  outer_steps out{
      .every = static_cast<std::uint32_t>(c.between(1, 3)),
      .rule = c.one_of<optimizer>(
          {sgd{}, sgd{.momentum = 0.9F}, sgd{.momentum = 0.9F, .nesterov = true}, adam{}}),
      .rate = c.one_of({0.01F, 0.7F, 1.0F})};
  do
    out.islands = static_cast<std::uint32_t>(c.between(1, 4));
  while (microbatches % out.islands != 0);
  return out;
}

inline std::vector<slice> random_slices(chance& c, const job& j) {
  std::vector<slice> out;
  const graph g = build_graph(j.model, j.data.train->image);
  for (const node& n : g.nodes) {
    if ((n.kind != node_kind::dense && n.kind != node_kind::conv2d) || !c.percent(40)) continue;
    out.push_back({.layer = n.path, .slices = c.one_of({2, 2, 3, 4})});
    if (!mistakes_of(g, out).empty()) out.pop_back();
  }
  return out;
}

inline void draw_compression(chance& c, job& j) {
  j.compression =
      make_codec(c.one_of({"fp16", "bf16", "int8", "1-bit", "top-k 0.05", "top-k 0.3"}));
  j.compressed_microbatches = c.one_of({1U, 1U, 2U, 3U, 4U});
}

inline job random_job(chance& c) {
  const shape image{c.one_of({1, 1, 3}), c.between(4, 11), c.between(4, 11)};
  const int classes = c.between(2, 6);
  job out;
  out.microbatches = static_cast<std::uint32_t>(c.one_of({1, 2, 3, 4, 4, 5, 6, 7, 8, 8, 12}));
  const std::int64_t microbatch = c.between(1, 4);
  out.batch = microbatch * out.microbatches;
  out.model = random_model(c, image, microbatch).draw(classes);
  // Epochs of one to three steps, so that most runs cross from one to the next.
  const std::int64_t images = out.batch * c.between(1, 3) +
                              c.between(0, c.percent(50) ? 0 : static_cast<int>(out.batch) - 1);
  out.seed = static_cast<std::uint64_t>(c.between(1, 1000));
  out.data.train = std::make_shared<const dataset>(
      synthetic(std::max<std::int64_t>(images, 6), image, classes, out.seed));
  out.loss = random_loss(c, classes);
  out.optimizer = random_optimizer(c);
  out.learning_rate = random_learning_rate(c);
  if (c.percent(50))
    out.augment = {
        .flip = c.percent(50), .crop_padding = c.between(0, 2), .normalise = c.percent(50)};
  out.steps = c.between(3, 5);
  out.shuffle = c.percent(80);
  out.balanced_sampling = c.percent(20);
  if (c.percent(25)) out.slices = random_slices(c, out);
  if (c.percent(20)) // what islands compress is told apart in a test of its own
    out.outer = random_outer_steps(c, out.microbatches);
  else if (c.percent(35))
    draw_compression(c, out);
  if (c.percent(25))
    out.data.test =
        std::make_shared<const dataset>(synthetic(c.between(1, 230), image, classes, out.seed + 1));
  return out;
}

inline std::string text(const loss& l) {
  if (const auto* s = std::get_if<softmax_cross_entropy>(&l))
    return fmt::format("softmax cross-entropy, smoothing {}, {} class weights",
                       s->label_smoothing,
                       s->class_weights.size());
  return std::holds_alternative<mean_squared_error>(l) ? "mean squared error"
                                                       : "binary cross-entropy";
}

// The archive form without its line breaks.
inline std::string text(const model& m) {
  std::string out = to_json(m);
  std::erase_if(out, [](char c) { return c == '\n' || c == ' '; });
  return out;
}

inline std::string text(const job& j) {
  return fmt::format(
      "job: {} images {}, {} classes, batch {} = {} x {}, {} steps, seed {}; {}; {}; "
      "rate {}; augment {}; {}{}; sliced [{}]; compressed {} of {}; {} test images; islands: "
      "{}\nmodel: {}",
      j.data.train->size(),
      j.data.train->image.text(),
      j.data.train->classes,
      j.batch,
      j.microbatches,
      j.batch / j.microbatches,
      j.steps,
      j.seed,
      text(j.loss),
      troupe::text(j.optimizer),
      j.learning_rate.text(),
      j.augment.text(),
      j.shuffle ? "shuffled" : "in order",
      j.balanced_sampling ? ", balanced" : "",
      troupe::text(j.slices),
      j.compression ? j.compression->text() : "none",
      j.compressed_microbatches,
      j.data.test ? j.data.test->size() : 0,
      j.outer.text(),
      text(j.model));
}

} // namespace troupe::test
