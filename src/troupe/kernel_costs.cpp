#include "troupe/kernel_costs.hpp"

#include "troupe/model_parts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace troupe {

namespace {

std::string layer_text(const node& n) {
  const auto* c = std::get_if<conv2d>(&n.options);
  if (n.kind != node_kind::conv2d || c == nullptr) return kind_text(n.kind);
  auto out = fmt::format("conv2d {0}x{0}", c->kernel);
  if (c->stride != 1) out += fmt::format(" stride {}", c->stride);
  return out;
}

kernel_rate kernel_of(const graph& g, const piece& p, std::int64_t images) {
  kernel_rate out{.images = images, .flops = static_cast<double>(p.flops)};
  for (const int index : p.nodes) {
    const node& n = g.nodes[static_cast<std::size_t>(index)];
    out.layers += (out.layers.empty() ? "" : "+") + layer_text(n);
    for (const int from : n.inputs)
      if (std::find(p.nodes.begin(), p.nodes.end(), from) == p.nodes.end())
        out.elements +=
            static_cast<double>(g.nodes[static_cast<std::size_t>(from)].output.elements());
  }
  out.elements +=
      static_cast<double>(g.nodes[static_cast<std::size_t>(p.nodes.back())].output.elements());
  return out;
}

std::string first_layer(const std::string& layers) {
  return layers.substr(0, layers.find_first_of("+ "));
}

// What a kernel's time is proportional to.
double work_of(const kernel_rate& k) {
  return (k.flops > 0 ? k.flops : k.elements) * static_cast<double>(k.images);
}

// 0 for the same size; 1 for twice the images, or layers of twice the size.
double distance(const kernel_rate& a, const kernel_rate& b) {
  const auto difference = [](double x, double y) {
    return std::abs(std::log2(std::max(x, 1.0) / std::max(y, 1.0)));
  };
  return difference(static_cast<double>(a.images), static_cast<double>(b.images)) +
         difference(a.flops, b.flops) + difference(a.elements, b.elements);
}

piece_cost cost_of(const kernel_rate& k, double factor) {
  return {k.forward * factor, k.backward_inputs * factor, k.backward_weights * factor, k.bind};
}

// The mean of those that are alike by their rates; the near ones count more (Shepard, "A two-
// dimensional interpolation function for irregularly-spaced data", 1968).
piece_cost between(const kernel_rate& wanted, const std::vector<const kernel_rate*>& alike) {
  constexpr double same = 1e-6;
  piece_cost out;
  double weights = 0;
  for (const kernel_rate* k : alike) {
    const double apart = distance(wanted, *k);
    if (apart < same) return cost_of(*k, 1);
    const double weight = 1 / (apart * apart * apart);
    const auto each = cost_of(*k, work_of(wanted) / std::max(work_of(*k), 1.0));
    weights += weight;
    out.forward += weight * each.forward;
    out.backward_inputs += weight * each.backward_inputs;
    out.backward_weights += weight * each.backward_weights;
    out.bind += weight * each.bind;
  }
  out.forward /= weights;
  out.backward_inputs /= weights;
  out.backward_weights /= weights;
  out.bind /= weights;
  return out;
}

piece_cost counted(const kernel_rate& k, const piece& p, const machine_profile& m) {
  const auto images = static_cast<double>(k.images);
  const double seconds = k.flops * images / m.flops_per_second +
                         k.elements * images * sizeof(float) / m.bytes_per_second;
  const double parameters = static_cast<double>(p.elements) * sizeof(float);
  return {seconds, seconds, p.elements > 0 ? seconds : 0, 2 * parameters / m.bytes_per_second};
}

piece_cost cost_on(const kernel_rate& wanted, const piece& p, const machine_profile& m) {
  const auto alike = [&](auto same) {
    std::vector<const kernel_rate*> out;
    for (const kernel_rate& k : m.kernels)
      if (same(k)) out.push_back(&k);
    return out;
  };
  auto found = alike([&](const kernel_rate& k) { return k.layers == wanted.layers; });
  if (found.empty())
    found = alike(
        [&](const kernel_rate& k) { return first_layer(k.layers) == first_layer(wanted.layers); });
  return found.empty() ? counted(wanted, p, m) : between(wanted, found);
}

} // namespace

std::vector<kernel_rate> kernels_of(const job& j) {
  const graph g = graph_of(j);
  std::vector<kernel_rate> out;
  for (const piece& p : pieces_of(j))
    out.push_back(kernel_of(g, p, j.batch / j.microbatches));
  return out;
}

std::vector<piece_cost> piece_costs(const job& j, const machine_profile& m) {
  const auto pieces = pieces_of(j);
  const auto kernels = kernels_of(j);
  std::vector<piece_cost> out;
  for (std::size_t i = 0; i < pieces.size(); ++i)
    out.push_back(cost_on(kernels[i], pieces[i], m));
  return out;
}

} // namespace troupe
