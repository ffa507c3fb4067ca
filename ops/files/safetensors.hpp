// safetensors files (https://github.com/huggingface/safetensors, "Format"): u64 little-endian
// header length, JSON header, data. Read with every check of the reference reader; written
// atomically (write to a temporary, fsync, rename), header padded with spaces so that the data
// starts at a multiple of 64.
#pragma once

#include "ops/tensor.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

struct stored_tensor {
  std::string name;
  std::string dtype = "F32"; // F32 or I64 are written; F32, F64, F16, BF16, I64, I32 are read
  std::vector<std::int64_t> dims;
  std::vector<float> values;          // of the F types, converted
  std::vector<std::int64_t> integers; // of the I types, converted
};

struct tensor_file {
  std::vector<stored_tensor> tensors; // in order of their data
  std::map<std::string, std::string> metadata;

  [[nodiscard]] const stored_tensor* find(const std::string& name) const;
};

tensor_file read_safetensors(const std::string& path); // throws error
tensor_file parse_safetensors(std::string_view bytes, const std::string& name_for_errors);
std::string safetensors_bytes(const tensor_file& file);                   // throws error
void write_safetensors(const std::string& path, const tensor_file& file); // throws error

} // namespace troupe
