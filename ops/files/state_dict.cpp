#include "ops/files/state_dict.hpp"

#include "ops/error.hpp"
#include "ops/whole_parameter.hpp"

#include <algorithm>
#include <cstring>
#include <map>

namespace troupe {

namespace {

constexpr std::string_view optimizer_prefix = "optimizer.", residual_prefix = "residual.";
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
                                            const std::vector<std::string>& prefixes) {
  std::map<std::string, shape> wanted;
  for (const whole_parameter& whole : whole_parameters(layout.specs)) {
    const parameter_spec& spec = whole.spec;
    wanted.emplace(spec.name, spec.dims);
    if (!trainable(spec)) continue;
    for (const std::string& prefix : prefixes)
      wanted.emplace(prefix + spec.name, spec.dims);
  }
  return wanted;
}

} // namespace

std::vector<std::string> state_prefixes(std::size_t slots, std::size_t residuals) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < slots; ++i)
    out.push_back(std::string(optimizer_prefix) + std::to_string(i) + ".");
  for (std::size_t i = 0; i < residuals; ++i)
    out.push_back(std::string(residual_prefix) + std::to_string(i) + ".");
  return out;
}

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

std::vector<stored_tensor> trainable_tensors(const parameter_layout& layout,
                                             std::span<const tensor> blocks,
                                             const std::string& prefix) {
  std::vector<stored_tensor> tensors;
  for (const whole_parameter& whole : whole_parameters(layout.specs)) {
    const parameter_spec& spec = whole.spec;
    if (!trainable(spec)) continue;
    tensors.push_back(named(prefix + spec.name, spec.dims, whole_values(layout, whole, blocks)));
  }
  return tensors;
}

void check_tensors(const tensor_file& file,
                   const parameter_layout& layout,
                   const std::vector<std::string>& prefixes,
                   bool weights_alone,
                   const std::string& name) {
  std::map<std::string, shape> wanted = wanted_tensors(layout, prefixes);
  complaints found;
  for (const stored_tensor& t : file.tensors) {
    const auto want = wanted.find(t.name);
    if (want == wanted.end()) {
      const bool ignored = t.name.ends_with(counter_suffix) ||
                           (weights_alone && (t.name.starts_with(optimizer_prefix) ||
                                              t.name.starts_with(residual_prefix)));
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
  std::map<std::string, const stored_tensor*> by_name;
  for (const stored_tensor& t : file.tensors)
    by_name.emplace(t.name, &t);
  std::vector<std::span<const float>> plain;
  for (const whole_parameter& whole : whole_parameters(layout.specs))
    plain.emplace_back(by_name.at(whole.spec.name)->values);
  return packed_blocks_of_wholes(layout, plain);
}

std::vector<tensor>
state_blocks(const tensor_file& file, const parameter_layout& layout, const std::string& prefix) {
  std::map<std::string, const stored_tensor*> by_name;
  for (const stored_tensor& t : file.tensors)
    by_name.emplace(t.name, &t);
  // Packed as whole blocks with zero statistics, of which the trainable part is kept.
  std::vector<std::vector<float>> zeros;
  std::vector<std::span<const float>> plain;
  for (const whole_parameter& whole : whole_parameters(layout.specs)) {
    const parameter_spec& spec = whole.spec;
    if (trainable(spec)) {
      plain.emplace_back(by_name.at(prefix + spec.name)->values);
      continue;
    }
    zeros.emplace_back(static_cast<std::size_t>(spec.dims.elements()), 0.0F);
    plain.emplace_back(zeros.back());
  }
  std::vector<tensor> blocks = packed_blocks_of_wholes(layout, plain);
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    const std::int64_t size = layout.blocks[b].trainable;
    blocks[b] = make_tensor(shape{size}, blocks[b].values().first(static_cast<std::size_t>(size)));
  }
  return blocks;
}

} // namespace troupe
