#include "ops/files/sharded_checkpoint.hpp"

#include "ops/digest.hpp"
#include "ops/error.hpp"
#include "ops/files/atomic_file.hpp"
#include "ops/files/checkpoint_shard.hpp"
#include "ops/files/count_text.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>
#include <optional>
#include <utility>

namespace troupe {

namespace {

[[noreturn]] void fail(const std::string& name, const std::string& why) {
  throw error({.what = name + " is not a valid checkpoint",
               .where = "",
               .why = why,
               .help = "use an older checkpoint of the folder"});
}

std::string folder_of(const std::string& manifest_path) {
  return manifest_path.substr(0, manifest_path.size() - manifest_name.size());
}

// The bytes that were written, or an error.
std::string bytes_of(const std::string& manifest_path, const shard_file& shard) {
  std::string bytes;
  try {
    bytes = read_file(folder_of(manifest_path) + shard.name);
  } catch (const error& e) {
    fail(manifest_path, "its shard " + shard.name + ": " + e.text().why);
  }
  if (bytes.size() != shard.bytes)
    fail(manifest_path,
         "its shard " + shard.name + " has " + count_text(bytes.size()) + " bytes of " +
             count_text(shard.bytes));
  const auto digest = digest_of(bytes.data(), bytes.size());
  if (digest != shard.digest)
    fail(manifest_path,
         "the digest of its shard " + shard.name + " is " + digest_text(digest) + ", it was " +
             digest_text(shard.digest));
  return bytes;
}

std::optional<std::int64_t> number_of(std::string_view text) {
  std::int64_t out = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (text.empty() || code != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return out;
}

// Puts together what several shards have of one tensor.
class merger {
public:
  merger(const std::string& name,
         const parameter_layout& layout,
         const std::vector<state_prefix>& prefixes)
      : name_(name), layout_(layout) {
    for (std::size_t p = 0; p < layout.specs.size(); ++p) {
      const auto& spec = layout.specs[p];
      parameters_.emplace(spec.name, static_cast<int>(p));
      for (const state_prefix& prefix : prefixes)
        parameters_.emplace(prefix.text + spec.name, static_cast<int>(p));
    }
  }

  void add(tensor_file shard) {
    for (auto& [key, value] : shard.metadata)
      if (key.starts_with(order_key)) orders_[key.substr(order_key.size())] = value;
    for (stored_tensor& t : shard.tensors)
      if (!add_piece(t)) add_rows(std::move(t));
  }

  std::vector<stored_tensor> take() {
    for (auto& [tensor_name, pieces] : pieces_)
      join_pieces(tensor_name, pieces);
    for (auto& [tensor_name, rows] : rows_)
      join_rows(tensor_name, rows);
    return std::move(whole_);
  }

private:
  static constexpr std::string_view order_key = "order ";
  using parts = std::map<std::int64_t, stored_tensor>; // by where they begin

  // "0.weight@16384"
  bool add_piece(stored_tensor& t) {
    const auto at = t.name.rfind('@');
    const auto first =
        at == std::string::npos ? std::nullopt : number_of(std::string_view(t.name).substr(at + 1));
    if (!first) return false;
    const auto of = t.name.substr(0, at);
    if (!pieces_[of].emplace(*first, std::move(t)).second) twice(of);
    return true;
  }

  // "0.weight[64:128]", or a tensor that is whole.
  void add_rows(stored_tensor t) {
    const auto open = t.name.rfind('[');
    const auto colon = t.name.find(':', std::min(open, t.name.size()));
    const auto first = colon == std::string::npos || !t.name.ends_with(']')
                           ? std::nullopt
                           : number_of(std::string_view(t.name).substr(open + 1, colon - open - 1));
    if (!first) return whole_.push_back(std::move(t));
    const auto of = t.name.substr(0, open);
    if (!rows_[of].emplace(*first, std::move(t)).second) twice(of);
  }

  // In the order of the kernels, which must be those of this layout.
  void join_pieces(const std::string& tensor_name, parts& pieces) {
    const auto found = parameters_.find(tensor_name);
    if (found == parameters_.end()) { // of state that is not wanted, or of another model
      whole_.push_back(std::move(pieces.begin()->second));
      whole_.back().name = tensor_name;
      return;
    }
    const auto p = static_cast<std::size_t>(found->second);
    const parameter_spec& spec = layout_.specs[p];
    const auto order = orders_.find(spec.name);
    if (order == orders_.end() ||
        order->second != digest_text(order_digest(layout_, found->second)))
      throw error({.what = name_ + " cannot be read here",
                   .where = tensor_name,
                   .why =
                       "several holders have written it, in the order of their kernels; those of "
                       "this program have another",
                   .help = "read it on a machine with the same instructions, as a job of the same "
                           "batch; or save the weights there with --save"});
    std::vector<float> packed;
    for (auto& [first, piece] : pieces) {
      if (std::cmp_not_equal(first, packed.size())) gap(tensor_name);
      packed.insert(packed.end(), piece.values.begin(), piece.values.end());
    }
    if (std::cmp_not_equal(layout_.places[p].size, packed.size())) gap(tensor_name);
    stored_tensor t{.name = tensor_name, .dims = {spec.dims.begin(), spec.dims.end()}};
    t.values.resize(static_cast<std::size_t>(spec.dims.elements()));
    if (const auto& relaid = layout_.places[p].order)
      relaid->unpack(packed, t.values);
    else
      std::copy_n(packed.begin(), t.values.size(), t.values.begin());
    add_rows(std::move(t));
  }

  void join_rows(const std::string& tensor_name, parts& rows) {
    stored_tensor t{.name = tensor_name, .dims = rows.begin()->second.dims};
    if (t.dims.empty()) gap(tensor_name);
    t.dims[0] = 0;
    for (auto& [first, slice] : rows) {
      const auto& dims = slice.dims;
      if (dims.empty() || first != t.dims[0] ||
          !std::equal(dims.begin() + 1, dims.end(), t.dims.begin() + 1, t.dims.end()))
        gap(tensor_name);
      t.dims[0] += slice.dims[0];
      t.values.insert(t.values.end(), slice.values.begin(), slice.values.end());
    }
    whole_.push_back(std::move(t));
  }

  [[noreturn]] void twice(const std::string& tensor_name) const {
    fail(name_, "two of its shards have " + tensor_name);
  }

  [[noreturn]] void gap(const std::string& tensor_name) const {
    fail(name_, "its shards have not all of " + tensor_name);
  }

  const std::string& name_;
  const parameter_layout& layout_;
  std::map<std::string, int> parameters_; // of the layout, by the names that tensors have
  std::map<std::string, std::string> orders_;
  std::map<std::string, parts> pieces_, rows_;
  std::vector<stored_tensor> whole_;
};

} // namespace

std::string manifest_of(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) {
    const auto inside = (fs::path(path) / manifest_name).string();
    return fs::exists(inside, ignored) ? inside : std::string();
  }
  return fs::path(path).filename() == manifest_name ? path : std::string();
}

checkpoint_manifest verified_manifest(const std::string& manifest_path) {
  auto m = parse_manifest(read_file(manifest_path), manifest_path);
  for (const shard_file& s : m.shards)
    (void)bytes_of(manifest_path, s);
  return m;
}

tensor_file merged_shards(const std::string& manifest_path,
                          const checkpoint_manifest& m,
                          const parameter_layout& layout,
                          const std::vector<state_prefix>& prefixes) {
  merger all(manifest_path, layout, prefixes);
  for (const shard_file& s : m.shards) {
    const auto name = folder_of(manifest_path) + s.name;
    auto shard = parse_safetensors(bytes_of(manifest_path, s), name);
    if (shard.metadata["format"] != shard_format)
      fail(manifest_path, s.name + " does not say that it is a shard");
    if (shard.metadata["step"] != std::to_string(m.step))
      fail(manifest_path, s.name + " is of step " + shard.metadata["step"]);
    all.add(std::move(shard));
  }
  tensor_file out;
  out.tensors = all.take();
  return out;
}

} // namespace troupe
