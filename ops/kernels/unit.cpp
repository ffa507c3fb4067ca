#include "ops/kernels/unit.hpp"

#include <variant>

#include "ops/kernels/own_kernels.hpp"

namespace troupe::kernels {

namespace {

class fuser {
public:
  fuser(const graph& g, const fusing& allowed) : graph_(g), allowed_(allowed), reader_(g.nodes.size(), none) {
    for (std::size_t i = 0; i < g.nodes.size(); ++i) {
      for (int input : g.nodes[i].inputs) {
        int& reader = reader_[static_cast<std::size_t>(input)];
        reader = reader == none ? static_cast<int>(i) : several;
      }
    }
  }

  unit starting_at(int index) const {
    unit result{{index}};
    const int next = only_reader(index);
    switch (at(index).kind) {
    case node_kind::relu:
      if (pools(index))
        result = {{index, next}, true, true};
      break;
    case node_kind::batch_norm:
      if (next != none && at(next).kind == node_kind::relu)
        result = pools(next) ? unit{{index, next, only_reader(next)}, true, true}
                             : unit{{index, next}, true};
      break;
    case node_kind::conv2d:
    case node_kind::dense:
    case node_kind::add:
      if (next != none && at(next).kind == node_kind::relu && !pools(next))
        result = {{index, next}, true};
      break;
    default:
      break;
    }
    return result;
  }

private:
  static constexpr int none = -1;
  static constexpr int several = -2;

  const node& at(int index) const { return graph_.nodes[static_cast<std::size_t>(index)]; }

  int only_reader(int index) const {
    const int reader = reader_[static_cast<std::size_t>(index)];
    return reader == several ? none : reader;
  }

  // Whether `relu` feeds nothing but a pooling that the own kernel computes together with it.
  bool pools(int relu) const {
    const int pool = only_reader(relu);
    return allowed_.pooling && pool != none && at(pool).kind == node_kind::max_pool2d
           && fused_pool_refusal(std::get<max_pool2d>(at(pool).options), at(relu).output).empty();
  }

  const graph& graph_;
  fusing allowed_;
  std::vector<int> reader_;
};

} // namespace

std::vector<unit> units_of(const graph& g, const fusing& allowed) {
  const fuser fuse(g, allowed);
  std::vector<bool> done(g.nodes.size(), false);
  std::vector<unit> units;
  for (std::size_t i = 1; i < g.nodes.size(); ++i) {
    if (done[i])
      continue;
    units.push_back(fuse.starting_at(static_cast<int>(i)));
    for (int index : units.back().nodes)
      done[static_cast<std::size_t>(index)] = true;
  }
  return units;
}

} // namespace troupe::kernels
