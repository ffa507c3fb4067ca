#include "ops/graph.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe {

std::string kind_text(node_kind kind) {
  static constexpr const char* names[] = {"input",
                                          "conv2d",
                                          "dense",
                                          "max_pool2d",
                                          "average_pool2d",
                                          "global_average_pool",
                                          "batch_norm",
                                          "dropout",
                                          "flatten",
                                          "relu",
                                          "leaky_relu",
                                          "sigmoid",
                                          "tanh",
                                          "add",
                                          "concat"};
  return names[static_cast<std::size_t>(kind)];
}

namespace {

std::string window_text(int kernel, int stride, int padding) {
  auto out = fmt::format(" {}x{}", kernel, kernel);
  if (stride != 1) out += fmt::format(" stride {}", stride);
  if (padding != 0) out += fmt::format(" padding {}", padding);
  return out;
}

// 1234567 -> "1,234,567"
std::string grouped(std::int64_t n) {
  auto out = std::to_string(n);
  for (auto i = static_cast<std::ptrdiff_t>(out.size()) - 3; i > 0; i -= 3)
    out.insert(static_cast<std::size_t>(i), ",");
  return out;
}

} // namespace

std::string describe(const node& n) {
  auto out = kind_text(n.kind);
  if (n.kind == node_kind::conv2d) {
    const auto& o = std::get<conv2d>(n.options);
    out += window_text(o.kernel, o.stride, o.padding);
    if (o.groups > 1) out += fmt::format(" groups {}", o.groups);
    if (!o.bias) out += " no bias";
  } else if (n.kind == node_kind::max_pool2d) {
    const auto& o = std::get<max_pool2d>(n.options);
    out += window_text(o.kernel, o.stride == 0 || o.stride == o.kernel ? 1 : o.stride, o.padding);
  } else if (n.kind == node_kind::average_pool2d) {
    const auto& o = std::get<average_pool2d>(n.options);
    out += window_text(o.kernel, o.stride == 0 || o.stride == o.kernel ? 1 : o.stride, o.padding);
  } else if (n.kind == node_kind::dropout) {
    out += fmt::format(" {:g}", std::get<dropout>(n.options).probability);
  } else if (n.kind == node_kind::leaky_relu) {
    out += fmt::format(" {:g}", std::get<leaky_relu>(n.options).slope);
  }
  if (n.slices > 1) out += fmt::format(", slice {} of {}", n.slice + 1, n.slices);
  return out;
}

std::string summary(const graph& g) {
  struct row {
    std::string layer, output, parameters, mflop;
  };

  std::vector<row> rows{{"layer", "output", "parameters", "MFLOP"}};
  for (const auto& n : g.nodes) {
    std::int64_t own = 0;
    for (const int p : n.parameters)
      if (g.parameters[static_cast<std::size_t>(p)].kind == parameter_kind::trainable)
        own += g.parameters[static_cast<std::size_t>(p)].dims.elements();
    rows.push_back({n.path.empty() ? describe(n) : fmt::format("{} {}", n.path, describe(n)),
                    n.output.text(),
                    own > 0 ? grouped(own) : "",
                    n.flops > 0 ? fmt::format("{:.2f}", static_cast<double>(n.flops) / 1e6) : ""});
  }
  const auto total = g.trainable_elements();
  rows.push_back(
      {fmt::format("total: {:.1f} MB of parameters", static_cast<double>(total) * 4 / 1e6),
       "",
       grouped(total),
       fmt::format("{:.2f}", static_cast<double>(g.flops()) / 1e6)});
  std::size_t width[3] = {};
  for (const auto& r : rows) {
    width[0] = std::max(width[0], r.layer.size());
    width[1] = std::max(width[1], r.output.size());
    width[2] = std::max(width[2], r.parameters.size());
  }
  std::string out;
  for (const auto& r : rows)
    out += fmt::format("  {:<{}}  {:<{}}  {:>{}}  {:>8}\n",
                       r.layer,
                       width[0],
                       r.output,
                       width[1],
                       r.parameters,
                       width[2],
                       r.mflop);
  return out;
}

} // namespace troupe
