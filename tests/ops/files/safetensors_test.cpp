#include "ops/files/safetensors.hpp"

#include "ops/files/atomic_file.hpp"
#include "ops/files/safetensors_values.hpp"
#include "support/error_of.hpp"
#include "support/scratch_folder.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <limits>

using namespace troupe;
using namespace troupe::test;

namespace {

std::string with_header(const std::string& header, const std::string& data = "") {
  const std::uint64_t length = header.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes + header + data;
}

tensor_file parsed(const std::string& header, const std::string& data = "") {
  return parse_safetensors(with_header(header, data), "f");
}

tensor_file sample() {
  tensor_file file;
  file.tensors.push_back({"zeta", "F32", {2, 2}, {1.5F, -0.0F, 3e38F, NAN}, {}});
  file.tensors.push_back({"alpha \"q\" \xc3\xa9", "I64", {}, {}, {-7}});
  file.tensors.push_back({"empty", "F32", {0, 3}, {}, {}});
  file.tensors.push_back({"last", "F32", {3}, {1, 2, 3}, {}});
  file.metadata = {{"format", "pt"}, {"b", "two words"}};
  return file;
}

template <class Value>
std::string raw(const std::vector<Value>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(Value)};
}

std::string output_of(const std::string& command) {
  std::string text;
  FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return text;
  char part[4096];
  for (std::size_t n = 0; (n = std::fread(part, 1, sizeof part, pipe)) > 0;)
    text.append(part, n);
  ::pclose(pipe);
  return text;
}

std::string hex(const std::string& bytes) {
  std::string text;
  for (const char c : bytes)
    text += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return text;
}

} // namespace

TEST_CASE("what is written as safetensors is read back bit by bit, in the given order") {
  const scratch_folder folder;
  const tensor_file file = sample();
  write_safetensors(folder.file("a"), file);
  const tensor_file back = read_safetensors(folder.file("a"));
  CHECK(back.metadata == file.metadata);
  REQUIRE(back.tensors.size() == file.tensors.size());
  for (std::size_t i = 0; i < file.tensors.size(); ++i) {
    CHECK(back.tensors[i].name == file.tensors[i].name);
    CHECK(back.tensors[i].dims == file.tensors[i].dims);
    CHECK(raw(back.tensors[i].values) == raw(file.tensors[i].values));
    CHECK(back.tensors[i].integers == file.tensors[i].integers);
  }
  CHECK(back.find("last")->values[2] == 3);
  CHECK(back.find("none") == nullptr);
}

TEST_CASE("an independent reader sees the same tensors") {
  const std::string script = std::string(TROUPE_TEST_DATA) + "/../support/read_safetensors.py";
  if (output_of("python3 -c 'print(1)' 2>/dev/null") != "1\n") {
    MESSAGE("skipped: python3 is not installed");
    return;
  }
  const scratch_folder folder;
  write_safetensors(folder.file("a"), sample());
  std::string expected;
  for (const stored_tensor& t : sample().tensors) {
    std::string dims;
    for (const auto size : t.dims)
      dims += (dims.empty() ? "" : ",") + std::to_string(size);
    const std::string values = t.dtype == "I64" ? raw(t.integers) : raw(t.values);
    expected += t.name + " " + t.dtype + " [" + dims + "] " + hex(values) + "\n";
  }
  expected += "b=two words\nformat=pt\n";
  CHECK(output_of("PYTHONIOENCODING=utf-8 python3 '" + script + "' '" + folder.file("a") + "'") ==
        expected);
}

TEST_CASE("the data of a written file starts at a multiple of 64") {
  for (std::size_t n = 1; n < 70; ++n) {
    tensor_file file;
    file.tensors.push_back({std::string(n, 'x'), "F32", {1}, {1}, {}});
    CHECK((safetensors_bytes(file).size() - 4) % 64 == 0);
  }
}

TEST_CASE("what cannot be stored is refused before anything is written") {
  const auto written = [](stored_tensor a, const stored_tensor& b) {
    tensor_file file;
    file.tensors = {std::move(a), b};
    return safetensors_bytes(file);
  };
  const stored_tensor good{"b", "F32", {1}, {1}, {}};
  CHECK_ERROR(written(good, good), "its name is taken");
  CHECK_ERROR(written({"__metadata__", "F32", {1}, {1}, {}}, good), "its name is taken");
  CHECK_ERROR(written({"a", "F16", {1}, {1}, {}}, good), "F32 and I64 are written");
  CHECK_ERROR(written({"a", "F32", {2}, {1}, {}}, good), "its shape holds 2 values, it has 1");
  CHECK_ERROR(written({"\xff", "F32", {1}, {1}, {}}, good), "UTF-8");
}

TEST_CASE("the float and integer types are converted") {
  const std::vector<std::uint16_t> halves = {
      0x3c00, 0xc000, 0x7bff, 0x0001, 0x8000, 0x7c00, 0x0400};
  const std::vector<float> expected = {1.0F,
                                       -2.0F,
                                       65504.0F,
                                       5.9604645e-8F,
                                       -0.0F,
                                       std::numeric_limits<float>::infinity(),
                                       6.1035156e-5F};
  const auto h = parsed(R"({"a":{"dtype":"F16","shape":[7],"data_offsets":[0,14]}})", raw(halves));
  CHECK(raw(h.tensors[0].values) == raw(expected));
  CHECK(std::isnan(float_of_half(0x7e00)));

  const auto b = parsed(R"({"a":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}})",
                        raw(std::vector<std::uint16_t>{0x3f80, 0xc040}));
  CHECK(b.tensors[0].values == std::vector<float>{1, -3});
  const auto d = parsed(R"({"a":{"dtype":"F64","shape":[2],"data_offsets":[0,16]}})",
                        raw(std::vector<double>{0.1, 1e300}));
  CHECK(d.tensors[0].values[0] == 0.1F);
  CHECK(std::isinf(d.tensors[0].values[1]));
  const auto i = parsed(R"({"a":{"dtype":"I32","shape":[2],"data_offsets":[0,8]}})",
                        raw(std::vector<std::int32_t>{-1, 7}));
  CHECK(i.tensors[0].integers == std::vector<std::int64_t>{-1, 7});
}

TEST_CASE("a file of no tensors and tensors in any order of the header are fine") {
  CHECK(parsed("{}").tensors.empty());
  CHECK(parsed("{}    ").tensors.empty());
  const auto two = parsed(R"({"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]},)"
                          R"("a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}})",
                          std::string(8, '\0'));
  CHECK(two.tensors[0].name == "a");
  CHECK(two.tensors[1].name == "b");
}

TEST_CASE("a damaged header is named for what it is") {
  CHECK_ERROR(parse_safetensors("1234567", "f"), "f is not a valid safetensors file");
  CHECK_ERROR(parse_safetensors("1234567", "f"), "it has 7 bytes, no room for the header's length");
  CHECK_ERROR(parse_safetensors(std::string(8, '\x7f'), "f"), "100,000,000 are allowed");
  CHECK_ERROR(parse_safetensors(with_header("{}").substr(0, 9), "f"), "has 2 bytes, the file 9");
  CHECK_ERROR(parsed(""), "does not start with {");
  CHECK_ERROR(parsed(" {}"), "does not start with {");
  CHECK_ERROR(parsed("{]"), "not JSON");
  CHECK_ERROR(parsed("{} x"), "not JSON");
  CHECK_ERROR(parsed("{\"\xff\":1}"), "not JSON");
  CHECK_ERROR(parsed(R"({"a":{"b":[[[[1]]]]}})"), "nested too deeply");
  CHECK_ERROR(parsed(R"({"a":1})"), "its entry is not an object");
  CHECK_ERROR(parsed(R"({"a":{}})"), "it has no dtype");
  CHECK_ERROR(parsed(R"({"__metadata__":[]})"), "__metadata__ is not an object");
  CHECK_ERROR(parsed(R"({"__metadata__":{"k":1}})"), "not a string");
  CHECK_ERROR(parsed(R"({"__metadata__":{"k":"1","k":"2"}})"), "two entries \"k\"");
}

TEST_CASE("a tensor whose entry does not fit its data is named") {
  const auto entry = [](const std::string& dtype, const std::string& dims, const std::string& at) {
    return R"({"w":{"dtype":)" + dtype + R"(,"shape":)" + dims + R"(,"data_offsets":)" + at + "}}";
  };
  const std::string data(8, '\0');
  CHECK_ERROR(parsed(entry("\"U8\"", "[8]", "[0,8]"), data), "its dtype \"U8\" is not one of");
  CHECK_ERROR(parsed(entry("5", "[8]", "[0,8]"), data), "dtype is not a string");
  CHECK_ERROR(parsed(entry("\"F32\"", "2", "[0,8]"), data), "shape is not a list");
  CHECK_ERROR(parsed(entry("\"F32\"", "[-2]", "[0,8]"), data), "a size that is no count");
  CHECK_ERROR(parsed(entry("\"F32\"", "[2.0]", "[0,8]"), data), "a size that is no count");
  CHECK_ERROR(parsed(entry("\"F32\"", "[4294967296,4294967296]", "[0,8]"), data), "overflows");
  CHECK_ERROR(parsed(entry("\"F32\"", "[2]", "[0]"), data), "not two counts");
  CHECK_ERROR(parsed(entry("\"F32\"", "[2]", "[8,0]"), data), "its data_offsets are [8,0]");
  CHECK_ERROR(parsed(entry("\"F32\"", "[3]", "[0,8]"), data), "needs 12 bytes");
  CHECK_ERROR(parsed(entry("\"F32\"", "[1]", "[4,8]"), data), "starts at 4");
  CHECK_ERROR(parsed(entry("\"F32\"", "[1]", "[0,4]"), data), "take 4 bytes, the file has 8");
  CHECK_ERROR(parsed(entry("\"F32\"", "[2]", "[0,8]"), "1234567"), "take 8 bytes, the file has 7");
  const std::string twice = R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                            R"("w":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})";
  CHECK_ERROR(parsed(twice, data), "two entries \"w\"");
  const std::string overlap = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                              R"("b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})";
  CHECK_ERROR(parsed(overlap, data), "starts at 4, the tensor before it ends at 8");
}
