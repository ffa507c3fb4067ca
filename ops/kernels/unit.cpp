#include "ops/kernels/unit.hpp"

#include "ops/kernels/own_kernels.hpp"

#include <variant>

namespace troupe::kernels {

namespace {

class fuser {
public:
  fuser(const graph& g, const fusing& allowed)
      : graph_(g), allowed_(allowed), reader_(g.nodes.size(), none) {
    for (std::size_t i = 0; i < g.nodes.size(); ++i) {
      for (int input : g.nodes[i].inputs) {
        int& reader = reader_[static_cast<std::size_t>(input)];
        reader = reader == none ? static_cast<int>(i) : several;
      }
    }
  }

  [[nodiscard]] unit starting_at(int index) const {
    unit result{{index}};
    const int next = only_reader(index);
    switch (at(index).kind) {
    case node_kind::relu:
      if (pools(index)) result = {{index, next}, true, true};
      break;
    case node_kind::batch_norm:
      if (next != none && at(next).kind == node_kind::relu)
        result = pools(next) ? unit{{index, next, only_reader(next)}, true, true}
                             : unit{{index, next}, true};
      break;
    case node_kind::add:
      if (const int norm = absorbed_norm(index); norm != none)
        result = next != none && at(next).kind == node_kind::relu && !pools(next)
                     ? unit{{norm, index, next}, true, false, true}
                     : unit{{norm, index}, false, false, true};
      else if (next != none && at(next).kind == node_kind::relu && !pools(next))
        result = {{index, next}, true};
      break;
    case node_kind::conv2d:
    case node_kind::dense:
      if (next != none && at(next).kind == node_kind::relu && !pools(next))
        result = {{index, next}, true};
      break;
    default:
      break;
    }
    return result;
  }

  // A batch norm that the sum behind it computes: it waits for the other input.
  [[nodiscard]] bool waits_for_sum(int index) const {
    const int next = only_reader(index);
    return next != none && at(next).kind == node_kind::add && absorbed_norm(next) == index;
  }

private:
  static constexpr int none = -1;
  static constexpr int several = -2;

  [[nodiscard]] const node& at(int index) const {
    return graph_.nodes[static_cast<std::size_t>(index)];
  }

  [[nodiscard]] int part_of(int index) const {
    return allowed_.part_of_node.empty() || index == none
               ? 0
               : allowed_.part_of_node[static_cast<std::size_t>(index)];
  }

  [[nodiscard]] int only_reader(int index) const {
    const int reader = reader_[static_cast<std::size_t>(index)];
    return reader == several || part_of(reader) != part_of(index) ? none : reader;
  }

  [[nodiscard]] int absorbed_norm(int sum) const {
    for (int input : at(sum).inputs) {
      if (allowed_.own_kernels && at(input).kind == node_kind::batch_norm &&
          only_reader(input) == sum && own_batch_norm_refusal(at(input).output).empty())
        return input;
    }
    return none;
  }

  // Whether `relu` feeds nothing but a pooling that the own kernel computes together with it.
  [[nodiscard]] bool pools(int relu) const {
    const int pool = only_reader(relu);
    return allowed_.own_kernels && pool != none && at(pool).kind == node_kind::max_pool2d &&
           fused_pool_refusal(std::get<max_pool2d>(at(pool).options), at(relu).output).empty();
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
    if (done[i] || fuse.waits_for_sum(static_cast<int>(i))) continue;
    units.push_back(fuse.starting_at(static_cast<int>(i)));
    for (int index : units.back().nodes)
      done[static_cast<std::size_t>(index)] = true;
  }
  return units;
}

} // namespace troupe::kernels
