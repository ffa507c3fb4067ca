#include "ops/files/safetensors.hpp"
#include "support/fuzz.hpp"

#include <stdexcept>

using namespace troupe;
using namespace troupe::test;

namespace {

// A file with every type that is read; the writer knows two of them.
std::string every_type() {
  std::string header = R"({"__metadata__":{"format":"pt"})";
  int at = 0;
  for (const auto& [type, size] :
       {std::pair("F16", 2), {"BF16", 2}, {"F32", 4}, {"I32", 4}, {"F64", 8}, {"I64", 8}}) {
    header += std::string(",\"t") + type + "\":{\"dtype\":\"" + type +
              "\",\"shape\":[1,2],\"data_offsets\":[" + std::to_string(at) + "," +
              std::to_string(at + 2 * size) + "]}";
    at += 2 * size;
  }
  header += "}";
  std::string bytes(8, '\0');
  bytes[0] = static_cast<char>(header.size() & 0xff);
  bytes[1] = static_cast<char>(header.size() >> 8);
  return bytes + header + std::string(static_cast<std::size_t>(at), 'v');
}

std::string written() {
  tensor_file file;
  file.tensors.push_back({"0.weight", "F32", {2, 3}, {1, 2, 3, 4, 5, 6}, {}});
  file.tensors.push_back({"count", "I64", {}, {}, {5}});
  file.tensors.push_back({"empty", "F32", {0}, {}, {}});
  file.metadata = {{"format", "pt"}};
  return safetensors_bytes(file);
}

void read_mutated(const std::string& bytes) {
  const tensor_file file = parse_safetensors(bytes, "f");
  for (const stored_tensor& t : file.tensors) {
    std::int64_t elements = 1;
    for (const std::int64_t size : t.dims)
      elements *= size;
    if (std::cmp_not_equal(t.values.size() + t.integers.size(), elements))
      throw std::logic_error("values and shape differ");
    if (t.values.size() > bytes.size()) throw std::logic_error("more values than bytes");
  }
}

} // namespace

int main(int argc, char** argv) {
  // The unmutated files must be good, or nothing but refusals would be tested.
  read_mutated(every_type());
  read_mutated(written());
  return fuzz(argc, argv, {"safetensors", {every_type(), written()}, read_mutated});
}
