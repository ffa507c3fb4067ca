#include "ops/model.hpp"

#include "ops/error.hpp"

#include <fmt/format.h>

namespace troupe {

bool operator==(const residual& a, const residual& b) {
  return a.body == b.body && a.shortcut == b.shortcut && a.body_name == b.body_name &&
         a.shortcut_name == b.shortcut_name && a.relu_after == b.relu_after;
}

bool operator==(const layer& a, const layer& b) {
  return a.name == b.name && a.options == b.options;
}

bool operator==(const model& a, const model& b) {
  return a.layers == b.layers;
}

model lenet(int classes) {
  return sequential(conv2d{.channels = 32, .kernel = 5, .padding = 2},
                    relu{},
                    max_pool2d{},
                    conv2d{.channels = 64, .kernel = 5, .padding = 2},
                    relu{},
                    max_pool2d{},
                    flatten{},
                    dense{512},
                    relu{},
                    dense{classes});
}

model cnn(int classes) {
  model m;
  for (const int channels : {32, 64, 128}) {
    m.layers.emplace_back(conv2d{.channels = channels, .kernel = 3, .padding = 1, .bias = false});
    m.layers.emplace_back(batch_norm{});
    m.layers.emplace_back(relu{});
    m.layers.emplace_back(max_pool2d{});
  }
  m.layers.emplace_back(flatten{});
  m.layers.emplace_back(dense{128});
  m.layers.emplace_back(relu{});
  m.layers.emplace_back(dense{classes});
  return m;
}

namespace {

// He et al. 2015, "Deep residual learning", section 4.2, with a 1x1 convolution where the shape
// changes.
layer basic_block(int channels, int stride, bool projects) {
  residual block{
      .body = {layer(conv2d{.channels = channels,
                            .kernel = 3,
                            .stride = stride,
                            .padding = 1,
                            .bias = false},
                     "c1"),
               layer(batch_norm{}, "b1"),
               layer(relu{}),
               layer(conv2d{.channels = channels, .kernel = 3, .padding = 1, .bias = false}, "c2"),
               layer(batch_norm{}, "b2")},
      .body_name = "",
      .shortcut_name = "sc",
      .relu_after = true};
  if (projects)
    block.shortcut = {
        layer(conv2d{.channels = channels, .kernel = 1, .stride = stride, .bias = false}),
        layer(batch_norm{})};
  return layer(std::move(block));
}

} // namespace

model resnet20(int classes) {
  model m = sequential(
      conv2d{.channels = 16, .kernel = 3, .padding = 1, .bias = false}, batch_norm{}, relu{});
  for (const int channels : {16, 32, 64})
    for (int block = 0; block < 3; ++block) {
      const bool first = block == 0 && channels > 16;
      m.layers.push_back(basic_block(channels, first ? 2 : 1, first));
    }
  m.layers.emplace_back(global_average_pool{});
  m.layers.emplace_back(flatten{});
  m.layers.emplace_back(dense{classes});
  return m;
}

model mlp(int classes) {
  return sequential(flatten{}, dense{256}, relu{}, dense{128}, relu{}, dense{classes});
}

const std::vector<std::string>& model_names() {
  static const std::vector<std::string> names = {"lenet", "cnn", "resnet20", "mlp"};
  return names;
}

model model_by_name(const std::string& name, int classes) {
  if (name == "lenet") return lenet(classes);
  if (name == "cnn") return cnn(classes);
  if (name == "resnet20") return resnet20(classes);
  if (name == "mlp") return mlp(classes);
  const auto& names = model_names();
  const auto near = did_you_mean(name, names.data(), names.data() + names.size());
  throw error(
      {.what = fmt::format("there is no model '{}'", name),
       .where = "--model",
       .why = fmt::format("models: {}", fmt::join(names, ", ")),
       .help = near.empty() ? "choose one of them" : fmt::format("did you mean '{}'?", near)});
}

} // namespace troupe
