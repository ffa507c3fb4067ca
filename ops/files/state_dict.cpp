#include "ops/files/state_dict.hpp"

#include "ops/error.hpp"
#include "ops/whole_parameter.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>

namespace troupe {

namespace {

constexpr std::array<std::string_view, 3> state_beginnings = {"optimizer.", "residual.", "island."};
constexpr std::string_view variance_suffix = "running_var";
constexpr std::string_view counter_suffix = "num_batches_tracked";

stored_tensor named(std::string name, const shape& dims, std::vector<float> values) {
  stored_tensor t;
  t.name = std::move(name);
  t.dims.assign(dims.begin(), dims.end());
  t.values = std::move(values);
  return t;
}

std::string dims_text(const std::vector<std::int64_t>& dims) {
  std::string text = "[";
  for (const std::int64_t size : dims)
    text += (text.size() > 1 ? ", " : "") + std::to_string(size);
  return text + "]";
}

bool trainable(const parameter_spec& spec) {
  return spec.kind == parameter_kind::trainable;
}

// Collects complaints; a file of another model has hundreds, of which the first tell enough.
class complaints {
public:
  void add(const std::string& line) {
    if (++count_ <= lines_max) text_ += (text_.empty() ? "" : "\n    ") + line;
  }

  void throw_if_any(const std::string& name) const {
    if (count_ == 0) return;
    const std::string more =
        count_ > lines_max ? "\n    and " + std::to_string(count_ - lines_max) + " more" : "";
    throw error({.what = name + " does not fit the model",
                 .where = "",
                 .why = text_ + more,
                 .help = "load it with the model that it was written for"});
  }

private:
  static constexpr int lines_max = 40;
  std::string text_;
  int count_ = 0;
};

std::map<std::string, shape> wanted_tensors(const parameter_layout& layout,
                                            const std::vector<state_prefix>& prefixes) {
  std::map<std::string, shape> wanted;
  for (const whole_parameter& whole : whole_parameters(layout.specs)) {
    const parameter_spec& spec = whole.spec;
    wanted.emplace(spec.name, spec.dims);
    for (const state_prefix& prefix : prefixes)
      if (trainable(spec) || prefix.statistics) wanted.emplace(prefix.text + spec.name, spec.dims);
  }
  return wanted;
}

} // namespace

std::vector<stored_tensor>
state_dict_of(const parameter_layout& layout, std::span<const tensor> blocks, std::uint64_t step) {
  std::vector<stored_tensor> tensors;
  for (const whole_parameter& whole : whole_parameters(layout.specs)) {
    const parameter_spec& spec = whole.spec;
    tensors.push_back(named(spec.name, spec.dims, whole_values(layout, whole, blocks)));
    if (!spec.name.ends_with(variance_suffix)) continue;
    stored_tensor counter;
    counter.name = spec.name.substr(0, spec.name.size() - variance_suffix.size());
    counter.name += counter_suffix;
    counter.dtype = "I64";
    counter.integers = {static_cast<std::int64_t>(step)};
    tensors.push_back(std::move(counter));
  }
  return tensors;
}

std::vector<stored_tensor> state_tensors(const parameter_layout& layout,
                                         std::span<const tensor> blocks,
                                         const state_prefix& prefix) {
  std::vector<stored_tensor> tensors;
  for (const whole_parameter& whole : whole_parameters(layout.specs)) {
    const parameter_spec& spec = whole.spec;
    if (!trainable(spec) && !prefix.statistics) continue;
    tensors.push_back(
        named(prefix.text + spec.name, spec.dims, whole_values(layout, whole, blocks)));
  }
  return tensors;
}

void check_tensors(const tensor_file& file,
                   const parameter_layout& layout,
                   const std::vector<state_prefix>& prefixes,
                   bool weights_alone,
                   const std::string& name) {
  std::map<std::string, shape> wanted = wanted_tensors(layout, prefixes);
  complaints found;
  for (const stored_tensor& t : file.tensors) {
    const auto want = wanted.find(t.name);
    if (want == wanted.end()) {
      const bool ignored = t.name.ends_with(counter_suffix) ||
                           (weights_alone && std::any_of(state_beginnings.begin(),
                                                         state_beginnings.end(),
                                                         [&](std::string_view beginning) {
                                                           return t.name.starts_with(beginning);
                                                         }));
      if (!ignored) found.add("unexpected: " + t.name + " " + dims_text(t.dims));
      continue;
    }
    const shape& dims = want->second;
    if (!std::equal(dims.begin(), dims.end(), t.dims.begin(), t.dims.end()))
      found.add(t.name + " is " + dims_text(t.dims) + ", the model has " + dims.text());
    else if (t.dtype.starts_with('I'))
      found.add(t.name + " is " + t.dtype + ", the model has floats");
    wanted.erase(want);
  }
  for (const auto& [missing, dims] : wanted)
    found.add("missing: " + missing + " " + dims.text());
  found.throw_if_any(name);
}

std::vector<tensor> parameter_blocks(const tensor_file& file, const parameter_layout& layout) {
  return state_blocks(file, layout, {.text = "", .statistics = true});
}

std::vector<tensor>
state_blocks(const tensor_file& file, const parameter_layout& layout, const state_prefix& prefix) {
  std::map<std::string, const stored_tensor*> by_name;
  for (const stored_tensor& t : file.tensors)
    by_name.emplace(t.name, &t);
  // Without statistics: packed as whole blocks with zeros, of which the trainable part is kept.
  std::vector<std::vector<float>> zeros;
  std::vector<std::span<const float>> plain;
  for (const whole_parameter& whole : whole_parameters(layout.specs)) {
    const parameter_spec& spec = whole.spec;
    if (trainable(spec) || prefix.statistics) {
      plain.emplace_back(by_name.at(prefix.text + spec.name)->values);
      continue;
    }
    zeros.emplace_back(static_cast<std::size_t>(spec.dims.elements()), 0.0F);
    plain.emplace_back(zeros.back());
  }
  std::vector<tensor> blocks = packed_blocks_of_wholes(layout, plain);
  for (std::size_t b = 0; b < blocks.size() && !prefix.statistics; ++b) {
    const std::int64_t size = layout.blocks[b].trainable;
    blocks[b] = make_tensor(shape{size}, blocks[b].values().first(static_cast<std::size_t>(size)));
  }
  return blocks;
}

} // namespace troupe
