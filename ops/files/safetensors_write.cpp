#include "ops/error.hpp"
#include "ops/files/count_text.hpp"
#include "ops/files/safetensors.hpp"

#include <nlohmann/json.hpp>

#include <cstring>
#include <set>

namespace troupe {

namespace {

constexpr std::uint64_t alignment = 64;

[[noreturn]] void fail(const stored_tensor& t, const std::string& why) {
  throw error({.what = "tensor \"" + t.name + "\" cannot be written as safetensors",
               .where = "",
               .why = why,
               .help = ""});
}

std::uint64_t bytes_of(const stored_tensor& t) {
  return t.dtype == "I64" ? t.integers.size() * sizeof(std::int64_t)
                          : t.values.size() * sizeof(float);
}

const void* data_of(const stored_tensor& t) {
  return t.dtype == "I64" ? static_cast<const void*>(t.integers.data()) : t.values.data();
}

void check(const stored_tensor& t, std::set<std::string>& names) {
  if (t.dtype != "F32" && t.dtype != "I64")
    fail(t, "dtype " + t.dtype + ", F32 and I64 are written");
  if (t.name == "__metadata__" || !names.insert(t.name).second) fail(t, "its name is taken");
  std::uint64_t elements = 1;
  for (const std::int64_t size : t.dims)
    if (size < 0 || __builtin_mul_overflow(elements, static_cast<std::uint64_t>(size), &elements))
      fail(t, "its sizes are no counts or overflow");
  const std::size_t held = t.dtype == "I64" ? t.integers.size() : t.values.size();
  if (elements != held)
    fail(t, "its shape holds " + count_text(elements) + " values, it has " + count_text(held));
}

} // namespace

std::string safetensors_bytes(const tensor_file& file) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!file.metadata.empty()) header["__metadata__"] = file.metadata;
  std::set<std::string> names;
  std::uint64_t end = 0;
  for (const stored_tensor& t : file.tensors) {
    check(t, names);
    const std::uint64_t begin = end;
    end += bytes_of(t);
    // Straight to the end: ordered_json's operator[] would search all entries each time.
    header.get_ref<nlohmann::ordered_json::object_t&>().emplace_back(
        t.name,
        nlohmann::ordered_json{
            {"dtype", t.dtype}, {"shape", t.dims}, {"data_offsets", {begin, end}}});
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const nlohmann::json::exception& problem) { // a name that is not UTF-8
    throw error({.what = "names cannot be written as safetensors",
                 .where = "",
                 .why = problem.what(),
                 .help = "use UTF-8 names"});
  }
  const std::uint64_t start = (8 + text.size() + alignment - 1) / alignment * alignment;
  text.resize(start - 8, ' ');

  const std::uint64_t length = text.size();
  std::string bytes(start + end, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  std::memcpy(bytes.data() + 8, text.data(), text.size());
  char* to = bytes.data() + start;
  for (const stored_tensor& t : file.tensors) {
    const std::uint64_t size = bytes_of(t);
    if (size > 0) std::memcpy(to, data_of(t), size);
    to += size;
  }
  return bytes;
}

} // namespace troupe
