#include "ops/kernels/partition.hpp"

#include "ops/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

namespace troupe::kernels {

namespace {

// The unit of each parameter.
std::vector<int> owners(const graph& g, const std::vector<unit>& units) {
  std::vector<int> out(g.parameters.size(), 0);
  for (std::size_t u = 0; u < units.size(); ++u)
    for (const int n : units[u].nodes)
      for (const int p : g.nodes[static_cast<std::size_t>(n)].parameters)
        out[static_cast<std::size_t>(p)] = static_cast<int>(u);
  return out;
}

// Follows each value through the operations in the order of the whole program.
class follower {
public:
  explicit follower(std::size_t slots) : values_(slots) {}

  void read(int slot, int part, pass when) {
    if (slot == view::external) return;
    auto& v = values_[static_cast<std::size_t>(slot)];
    if (v.writer == part || v.writer == nobody || !v.known.insert(part).second) return;
    check_order(v.writer, part, when);
    const int id = static_cast<int>(out_.crossings.size());
    out_.crossings.push_back({.from = v.writer, .to = part, .written = v.written, .needed = when});
    out_.slots.push_back(slot);
    out_.sendings.push_back({v.written, v.operation, id});
  }

  void write(int slot, int part, pass when, int operation) {
    if (slot == view::external) return;
    values_[static_cast<std::size_t>(slot)] = {part, when, operation, {}};
  }

  partition take() { return std::move(out_); }

private:
  static constexpr int nobody = -1;

  // Else one part would wait in the middle of its pass for another that waits for it.
  static void check_order(int from, int to, pass when) {
    if (when == pass::forward ? from < to : from > to) return;
    throw error({.what = "the parts of the model are not numbered in the order of execution",
                 .where = fmt::format("parts {} and {}", from, to),
                 .why = fmt::format("the {} pass of part {} needs a value of part {}",
                                    when == pass::forward ? "forward" : "backward",
                                    to,
                                    from),
                 .help = "give earlier layers to parts of lower numbers"});
  }

  struct value {
    int writer = nobody; // part
    pass written = pass::forward;
    int operation = 0;
    std::set<int> known; // parts that get this version
  };

  std::vector<value> values_;
  partition out_;
};

} // namespace

std::vector<std::vector<int>> pieces_of(const builder& b, const std::vector<unit>& units) {
  const std::vector<int> owner = owners(b.model(), units);
  std::vector<bool> joined(units.size(), false); // to the unit before
  for (const operation& op : b.backward())
    for (const use& used : op.uses) {
      if (!used.written || used.value.slot != view::external) continue;
      const int p = b.parameter_of_gradient(used.value);
      const int other = owner[static_cast<std::size_t>(p)];
      for (int u = std::min(other, op.unit) + 1; u <= std::max(other, op.unit); ++u)
        joined[static_cast<std::size_t>(u)] = true;
    }
  const auto first_of = [&](std::size_t u) -> const node& { return b.node_at(units[u].first()); };
  for (std::size_t u = 1; u < units.size(); ++u) // a concat lies between the slices of two layers
    if (first_of(u).slices > 1 && first_of(u - 1).slices > 1 &&
        first_of(u).slice == first_of(u - 1).slice)
      joined[u] = true;
  std::vector<std::vector<int>> out;
  for (std::size_t u = 0; u < units.size(); ++u) {
    if (!joined[u]) out.emplace_back();
    out.back().push_back(static_cast<int>(u));
  }
  return out;
}

part_map parts_of(const graph& g, const std::vector<unit>& units, std::vector<int> of_unit) {
  part_map out{std::move(of_unit), {}, {}};
  for (const int owner : owners(g, units))
    out.of_parameter.push_back(out.of_unit[static_cast<std::size_t>(owner)]);
  return out;
}

partition
cut(const builder& b, const part_map& parts, const view& output, const view& output_gradient) {
  follower values(b.slots());
  const auto follow = [&](const std::vector<operation>& operations, pass when) {
    for (std::size_t i = 0; i < operations.size(); ++i) {
      const int part = parts.of_unit[static_cast<std::size_t>(operations[i].unit)];
      for (const use& used : operations[i].uses)
        if (!used.written) values.read(used.value.slot, part, when);
      for (const use& used : operations[i].uses)
        if (used.written) values.write(used.value.slot, part, when, static_cast<int>(i));
    }
  };
  follow(b.forward(), pass::forward);
  const int last = parts.of_unit.empty() ? 0 : parts.of_unit.back();
  values.read(output.slot, last, pass::forward);
  values.write(output_gradient.slot, last, pass::backward, -1);
  follow(b.backward(), pass::backward);
  partition out = values.take();
  for (std::size_t c = 0; c < out.crossings.size(); ++c)
    out.crossings[c].elements = b.slot_elements(out.slots[c]);
  return out;
}

std::vector<bool> weight_operations(const builder& b, const partition& cuts) {
  const auto& operations = b.backward();
  std::vector<bool> out(operations.size(), false), sends(operations.size(), false);
  for (const sending& s : cuts.sendings)
    if (s.when == pass::backward && s.operation >= 0)
      sends[static_cast<std::size_t>(s.operation)] = true;
  // What operations that are not deferred read or write later on, by slot or external memory.
  std::set<int> read_later, written_later;
  std::set<const void*> external_later;
  for (std::size_t i = operations.size(); i-- > 0;) {
    const auto& op = operations[i];
    const bool deferred =
        !sends[i] &&
        std::all_of(op.uses.begin(),
                    op.uses.end(),
                    [&](const use& used) {
                      const int slot = used.value.slot;
                      if (slot == view::external)
                        return !used.written || !external_later.contains(used.value.memory.get());
                      return used.written ? !read_later.contains(slot)
                                          : !written_later.contains(slot);
                    }) &&
        std::any_of(op.uses.begin(), op.uses.end(), [](const use& used) { return used.written; });
    out[i] = deferred;
    if (deferred) continue;
    for (const use& used : op.uses) {
      if (used.value.slot == view::external)
        external_later.insert(used.value.memory.get());
      else
        (used.written ? written_later : read_later).insert(used.value.slot);
    }
  }
  return out;
}

} // namespace troupe::kernels
