#include "ops/slice.hpp"

#include "ops/assert.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <variant>

namespace troupe {

namespace {

constexpr std::size_t nothing = static_cast<std::size_t>(-1);

bool has_channels_to_cut(const node& n) {
  if (n.kind == node_kind::dense) return true;
  return n.kind == node_kind::conv2d && std::get<conv2d>(n.options).groups == 1;
}

// Whether each channel of the output comes from the same channel of the input alone.
bool keeps_channels_apart(node_kind kind) {
  switch (kind) {
  case node_kind::max_pool2d:
  case node_kind::average_pool2d:
  case node_kind::global_average_pool:
  case node_kind::batch_norm:
  case node_kind::relu:
  case node_kind::leaky_relu:
  case node_kind::sigmoid:
  case node_kind::tanh_activation:
    return true;
  default: // dropout's draws are those of the whole layer
    return false;
  }
}

// The node of the layer at `path`; a residual block's nodes share one path.
std::size_t node_of(const graph& g, const std::string& path) {
  std::size_t found = nothing;
  for (std::size_t i = 1; i < g.nodes.size(); ++i) {
    if (g.nodes[i].path != path) continue;
    if (has_channels_to_cut(g.nodes[i])) return i;
    if (found == nothing) found = i;
  }
  return found;
}

std::vector<std::string> paths_to_cut(const graph& g) {
  std::vector<std::string> out;
  for (const node& n : g.nodes)
    if (has_channels_to_cut(n)) out.push_back(n.path);
  return out;
}

std::string option_text(const slice& s) {
  return fmt::format("--slice {}:{}", s.layer, s.slices);
}

error_text no_such_layer(const graph& g, const slice& s) {
  const auto known = paths_to_cut(g);
  const auto near = did_you_mean(s.layer, known.data(), known.data() + known.size());
  return {.what = fmt::format("the model has no layer '{}' to slice", s.layer),
          .where = option_text(s),
          .why = fmt::format("dense and convolution layers: {}", fmt::join(known, ", ")),
          .help = near.empty() ? "give one of them" : fmt::format("did you mean '{}'?", near)};
}

error_text not_for_cutting(const graph& g, const node& n, const slice& s) {
  const bool grouped = n.kind == node_kind::conv2d;
  return {.what = fmt::format("layer {} cannot be sliced", s.layer),
          .where = option_text(s),
          .why = grouped ? "its groups read different channels, slices read the same"
                         : fmt::format("it is {}; dense layers and convolutions without groups can",
                                       describe(n)),
          .help = fmt::format("slice one of {}", fmt::join(paths_to_cut(g), ", "))};
}

// The largest divisor up to `slices` and the smallest above.
std::string divisors_near(std::int64_t channels, int slices) {
  std::int64_t below = std::min<std::int64_t>(slices, channels), above = slices;
  while (channels % below != 0)
    --below;
  if (above >= channels) return fmt::format("use {} slices", below);
  while (channels % above != 0)
    ++above;
  return below == 1 ? fmt::format("use {} slices", above)
                    : fmt::format("use {} or {} slices", below, above);
}

void check(const graph& g, const slice& s, std::vector<error_text>& out) {
  const auto at = node_of(g, s.layer);
  if (at == nothing) {
    out.push_back(no_such_layer(g, s));
    return;
  }
  const node& n = g.nodes[at];
  const std::int64_t channels = n.output[0];
  if (!has_channels_to_cut(n))
    out.push_back(not_for_cutting(g, n, s));
  else if (s.slices < 1)
    out.push_back({.what = fmt::format("{} slices of layer {} compute nothing", s.slices, s.layer),
                   .where = option_text(s),
                   .help = "use 2 or more; 1 leaves the layer whole"});
  else if (channels % s.slices != 0)
    out.push_back(
        {.what = fmt::format("the {} channels of layer {} do not split into {} slices",
                             channels,
                             s.layer,
                             s.slices),
         .where = option_text(s),
         .why = fmt::format(
             "{} = {} x {} + {}", channels, s.slices, channels / s.slices, channels % s.slices),
         .help = divisors_near(channels, s.slices)});
}

// Copies a graph and cuts some of its nodes on the way.
class cutter {
public:
  explicit cutter(const graph& g)
      : from_(g),
        reader_(g.nodes.size(), nothing),
        readers_(g.nodes.size(), 0),
        place_(g.nodes.size()) {
    for (std::size_t i = 0; i < g.nodes.size(); ++i)
      for (const int input : g.nodes[i].inputs) {
        reader_[static_cast<std::size_t>(input)] = i;
        ++readers_[static_cast<std::size_t>(input)];
      }
    out_.input = g.input;
  }

  graph cut(const std::map<std::size_t, int>& slices_of) {
    std::vector<bool> done(from_.nodes.size(), false);
    for (std::size_t i = 0; i < from_.nodes.size(); ++i) {
      if (done[i]) continue;
      const auto slices = slices_of.find(i);
      if (slices == slices_of.end()) {
        copy(i, 0, 1);
        continue;
      }
      const auto chain = chain_from(i);
      for (const std::size_t n : chain)
        done[n] = true;
      add_slices(chain, slices->second);
    }
    return std::move(out_);
  }

private:
  [[nodiscard]] std::vector<std::size_t> chain_from(std::size_t at) const {
    std::vector<std::size_t> out{at};
    while (readers_[at] == 1 && keeps_channels_apart(from_.nodes[reader_[at]].kind)) {
      at = reader_[at];
      out.push_back(at);
    }
    return out;
  }

  void add_slices(const std::vector<std::size_t>& chain, int slices) {
    std::vector<int> ends;
    for (int s = 0; s < slices; ++s) {
      for (const std::size_t n : chain)
        copy(n, s, slices);
      ends.push_back(place_[chain.back()]);
    }
    const node& end = from_.nodes[chain.back()];
    place_[chain.back()] = static_cast<int>(out_.nodes.size());
    out_.nodes.push_back({.kind = node_kind::concat,
                          .path = from_.nodes[chain.front()].path,
                          .options = from_.nodes[chain.front()].options,
                          .inputs = ends,
                          .output = end.output,
                          .draw_key = end.draw_key});
  }

  void copy(std::size_t index, int number, int slices) {
    node n = from_.nodes[index];
    n.slice = number;
    n.slices = slices;
    for (int& input : n.inputs)
      input = place_[static_cast<std::size_t>(input)];
    if (slices > 1) {
      n.output[0] /= slices;
      n.flops /= slices;
      if (auto* o = std::get_if<conv2d>(&n.options)) o->channels /= slices;
      if (auto* o = std::get_if<dense>(&n.options)) o->outputs /= slices;
    }
    for (int& p : n.parameters) {
      const auto& whole = from_.parameters[static_cast<std::size_t>(p)];
      p = static_cast<int>(out_.parameters.size());
      out_.parameters.push_back(slices > 1 ? rows(whole, number, slices) : whole);
    }
    place_[index] = static_cast<int>(out_.nodes.size());
    out_.nodes.push_back(std::move(n));
  }

  static parameter_spec rows(const parameter_spec& whole, int number, int slices) {
    parameter_spec out = whole;
    out.dims[0] /= slices;
    const std::int64_t first = number * out.dims[0];
    out.rows = rows_of_whole{whole.name, whole.dims, first};
    out.name = fmt::format("{}[{}:{}]", whole.name, first, first + out.dims[0]);
    return out;
  }

  const graph& from_;
  graph out_;
  std::vector<std::size_t> reader_; // the last one
  std::vector<int> readers_;
  std::vector<int> place_; // in out_; of a sliced node, that of the slice written last
};

} // namespace

std::vector<error_text> mistakes_of(const graph& g, const std::vector<slice>& wanted) {
  std::vector<error_text> out;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const auto same = [&](const slice& s) { return s.layer == wanted[i].layer; };
    const auto before = wanted.begin() + static_cast<std::ptrdiff_t>(i);
    if (const auto first = std::find_if(wanted.begin(), before, same); first != before)
      out.push_back({.what = fmt::format("layer {} is sliced twice", first->layer),
                     .where = fmt::format("{} and {}", option_text(*first), option_text(wanted[i])),
                     .help = "leave one of them out"});
    else
      check(g, wanted[i], out);
  }
  return out;
}

graph sliced(const graph& g, const std::vector<slice>& wanted) {
  if (const auto wrong = mistakes_of(g, wanted); !wrong.empty()) throw error(wrong.front());
  std::map<std::size_t, int> slices_of;
  for (const slice& s : wanted)
    if (s.slices > 1) slices_of[node_of(g, s.layer)] = s.slices;
  for (const node& n : g.nodes)
    TROUPE_ASSERT(n.kind != node_kind::concat, "a graph is sliced once");
  return cutter(g).cut(slices_of);
}

std::string text(const std::vector<slice>& slices) {
  std::vector<std::string> out;
  for (const slice& s : slices)
    if (s.slices > 1) out.push_back(fmt::format("{}:{}", s.layer, s.slices));
  std::sort(out.begin(), out.end());
  return fmt::format("{}", fmt::join(out, ", "));
}

} // namespace troupe
