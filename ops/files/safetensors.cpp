#include "ops/files/safetensors.hpp"

#include "ops/error.hpp"
#include "ops/files/atomic_file.hpp"
#include "ops/files/count_text.hpp"
#include "ops/files/safetensors_values.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <bit>
#include <cstring>
#include <set>

namespace troupe {

static_assert(std::endian::native == std::endian::little, "safetensors data is copied as it is");

namespace {

using nlohmann::json;

constexpr std::uint64_t header_bytes_max = 100'000'000; // the reference reader's
constexpr int depth_max = 4;                            // header, tensor, list: 3 are used

class reader {
public:
  reader(std::string_view bytes, const std::string& name) : bytes_(bytes), name_(name) {}

  tensor_file run() {
    const json header = parse_header();
    tensor_file file;
    std::vector<span_of_tensor> spans;
    for (const auto& [key, value] : header.items()) {
      if (key == "__metadata__")
        file.metadata = metadata_of(value);
      else
        spans.push_back(span_of(key, value));
    }
    std::sort(spans.begin(), spans.end(), [](const auto& left, const auto& right) {
      return std::pair(left.begin, left.end) < std::pair(right.begin, right.end);
    });
    check_cover(spans);
    // Conversion comes last, when every size is known to be backed by the file's own bytes.
    for (span_of_tensor& span : spans) {
      convert_values(data_.substr(span.begin, span.end - span.begin), span.tensor);
      file.tensors.push_back(std::move(span.tensor));
    }
    return file;
  }

private:
  struct span_of_tensor {
    stored_tensor tensor; // without values yet
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
  };

  [[noreturn]] void fail(const std::string& why, const std::string& where = "") const {
    throw error({.what = name_ + " is not a valid safetensors file",
                 .where = where,
                 .why = why,
                 .help = "copy or write it again"});
  }

  json parse_header() {
    if (bytes_.size() < 8)
      fail("it has " + std::to_string(bytes_.size()) + " bytes, no room for the header's length");
    std::uint64_t length = 0;
    std::memcpy(&length, bytes_.data(), 8);
    if (length > header_bytes_max)
      fail("its header has " + count_text(length) + " bytes; 100,000,000 are allowed");
    if (length > bytes_.size() - 8)
      fail("its header has " + count_text(length) + " bytes, the file " +
           count_text(bytes_.size()));
    const std::string_view text = bytes_.substr(8, length);
    data_ = bytes_.substr(8 + length);
    if (text.empty() || text.front() != '{') fail("its header does not start with {");
    try {
      return json::parse(text,
                         [this, keys = std::vector<std::set<std::string>>()](
                             int depth, json::parse_event_t event, json& value) mutable {
                           check_event(keys, depth, event, value);
                           return true;
                         });
    } catch (const json::exception& problem) {
      fail(std::string("its header is not JSON: ") + problem.what());
    }
  }

  // nlohmann's parser keeps the last of two equal keys; the format forbids them.
  void check_event(std::vector<std::set<std::string>>& keys,
                   int depth,
                   json::parse_event_t event,
                   const json& value) const {
    if (depth > depth_max) fail("its header is nested too deeply");
    if (event == json::parse_event_t::object_start) keys.emplace_back();
    if (event == json::parse_event_t::object_end) keys.pop_back();
    if (event != json::parse_event_t::key) return;
    const auto& key = value.get_ref<const std::string&>();
    if (!keys.back().insert(key).second) fail("its header has two entries \"" + key + "\"");
  }

  [[nodiscard]] std::map<std::string, std::string> metadata_of(const json& value) const {
    if (!value.is_object()) fail("__metadata__ is not an object");
    std::map<std::string, std::string> metadata;
    for (const auto& [key, text] : value.items()) {
      if (!text.is_string()) fail("it is not a string", "__metadata__, " + key);
      metadata.emplace(key, text.get<std::string>());
    }
    return metadata;
  }

  const json& field(const json& entry, const char* name, const std::string& tensor) const {
    const auto found = entry.find(name);
    if (found == entry.end()) fail(std::string("it has no ") + name, tensor);
    return *found;
  }

  [[nodiscard]] span_of_tensor span_of(const std::string& name, const json& entry) const {
    if (!entry.is_object()) fail("its entry is not an object", name);
    span_of_tensor span;
    span.tensor.name = name;
    const json& dtype = field(entry, "dtype", name);
    if (!dtype.is_string()) fail("its dtype is not a string", name);
    span.tensor.dtype = dtype.get<std::string>();
    const std::uint64_t element_bytes = bytes_of_dtype(span.tensor.dtype);
    if (element_bytes == 0)
      fail("its dtype \"" + span.tensor.dtype + "\" is not one of F32, F64, F16, BF16, I64, I32",
           name);

    const json& dims = field(entry, "shape", name);
    if (!dims.is_array()) fail("its shape is not a list", name);
    std::uint64_t bytes = element_bytes;
    for (const json& size : dims) {
      if (!size.is_number_unsigned())
        fail("its shape " + dims.dump() + " has a size that is no count", name);
      const auto count = size.get<std::uint64_t>();
      if (count > INT64_MAX || __builtin_mul_overflow(bytes, count, &bytes))
        fail("its shape " + dims.dump() + " overflows", name);
      span.tensor.dims.push_back(static_cast<std::int64_t>(count));
    }

    const json& offsets = field(entry, "data_offsets", name);
    if (!offsets.is_array() || offsets.size() != 2 || !offsets[0].is_number_unsigned() ||
        !offsets[1].is_number_unsigned())
      fail("its data_offsets are not two counts", name);
    span.begin = offsets[0].get<std::uint64_t>();
    span.end = offsets[1].get<std::uint64_t>();
    if (span.begin > span.end || span.end - span.begin != bytes)
      fail("shape " + dims.dump() + " of " + span.tensor.dtype + " needs " + count_text(bytes) +
               " bytes, its data_offsets are " + offsets.dump(),
           name);
    return span;
  }

  void check_cover(const std::vector<span_of_tensor>& spans) const {
    std::uint64_t end = 0;
    for (const span_of_tensor& span : spans) {
      if (span.begin != end)
        fail("its data starts at " + count_text(span.begin) + ", the tensor before it ends at " +
                 count_text(end),
             span.tensor.name);
      end = span.end;
    }
    if (end != data_.size())
      fail("its tensors take " + count_text(end) + " bytes, the file has " +
           count_text(data_.size()) + " bytes of data");
  }

  std::string_view bytes_;
  std::string_view data_;
  const std::string& name_;
};

} // namespace

const stored_tensor* tensor_file::find(const std::string& name) const {
  for (const stored_tensor& t : tensors)
    if (t.name == name) return &t;
  return nullptr;
}

tensor_file parse_safetensors(std::string_view bytes, const std::string& name_for_errors) {
  return reader(bytes, name_for_errors).run();
}

tensor_file read_safetensors(const std::string& path) {
  return parse_safetensors(read_file(path), path);
}

void write_safetensors(const std::string& path, const tensor_file& file) {
  write_file_atomically(path, safetensors_bytes(file));
}

} // namespace troupe
