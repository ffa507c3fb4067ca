#include "ops/whole_parameter.hpp"

#include "ops/assert.hpp"

#include <map>
#include <string>

namespace troupe {

std::vector<whole_parameter> whole_parameters(const std::vector<parameter_spec>& specs) {
  std::vector<whole_parameter> out;
  std::map<std::string, std::size_t> known; // sliced ones, by name
  for (std::size_t i = 0; i < specs.size(); ++i) {
    const auto& rows = specs[i].rows;
    const auto index = static_cast<int>(i);
    if (rows && known.contains(rows->name)) {
      std::vector<int>& parts = out[known[rows->name]].parts;
      const parameter_spec& before = specs[static_cast<std::size_t>(parts.back())];
      TROUPE_ASSERT(before.rows->first + before.dims[0] == rows->first, "rows in order");
      parts.push_back(index);
      continue;
    }
    out.push_back({specs[i], {index}});
    if (!rows) continue;
    known.emplace(rows->name, out.size() - 1);
    parameter_spec& whole = out.back().spec;
    whole.name = rows->name;
    whole.dims = rows->dims;
    whole.rows.reset();
  }
  return out;
}

std::vector<float> whole_values(const parameter_layout& layout,
                                const whole_parameter& p,
                                std::span<const tensor> blocks) {
  std::vector<float> out = plain_values(layout, p.parts.front(), blocks);
  for (std::size_t i = 1; i < p.parts.size(); ++i) {
    const auto rows = plain_values(layout, p.parts[i], blocks);
    out.insert(out.end(), rows.begin(), rows.end());
  }
  return out;
}

std::vector<tensor> packed_blocks_of_wholes(const parameter_layout& layout,
                                            std::span<const std::span<const float>> plain) {
  const auto wholes = whole_parameters(layout.specs);
  TROUPE_ASSERT(plain.size() == wholes.size(), "one span per whole parameter");
  std::vector<std::span<const float>> values(layout.specs.size());
  for (std::size_t w = 0; w < wholes.size(); ++w) {
    std::span<const float> rest = plain[w];
    for (const int part : wholes[w].parts) {
      const auto i = static_cast<std::size_t>(part);
      const auto size = static_cast<std::size_t>(layout.specs[i].dims.elements());
      TROUPE_ASSERT(size <= rest.size(), "plain values of " + wholes[w].spec.name);
      values[i] = rest.first(size);
      rest = rest.subspan(size);
    }
    TROUPE_ASSERT(rest.empty(), "plain values of " + wholes[w].spec.name);
  }
  return packed_blocks(layout, values);
}

} // namespace troupe
