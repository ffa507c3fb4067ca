// Devices by name: "cuda:1" is the second GPU of CUDA. What talks to CUDA is a library that is
// loaded when somebody asks for a GPU: programs that ask for none start without it, and run where
// there is no CUDA.
#pragma once

#include "gpu/device.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace troupe::gpu {

struct device_name {
  std::string kind;
  int index = 0;
};

// "cuda:1"; "cuda" is "cuda:0". `where` said it. Throws error where it is no name, or of no kind
// that is known.
device_name parse_device_name(const std::string& text, const std::string& where);

// A device of its own, with a stream of its own, on the GPU of that name. Thread-safe. Throws
// error.
std::shared_ptr<device> open_device(const std::string& name);

using device_opener = std::function<std::shared_ptr<device>(int index)>;

// From now on `kind:N` is what `open` makes of N. Thread-safe; known from the start: "cuda".
void add_device_kind(const std::string& kind, device_opener open);

struct device_description {
  int index = 0;
  std::string name;
  int major = 0, minor = 0; // compute capability
  std::size_t memory_bytes = 0, free_bytes = 0;
};

// The GPUs of CUDA that answer. Makes a context on each, to see what is free: a process that has
// done so cannot fork() a child that uses them. Throws no error.
std::vector<device_description> cuda_devices();

// Empty if there is one. Makes no context. Throws no error.
std::string why_no_cuda_device();

// What the library that talks to CUDA offers: the value of its function `troupe_cuda`.
struct cuda_library {
  const char* build = ""; // of the same sources as the program that loads it
  std::shared_ptr<device> (*open)(int index) = nullptr;
  std::vector<device_description> (*devices)() = nullptr;
  std::string (*why_none)() = nullptr;
};

} // namespace troupe::gpu
