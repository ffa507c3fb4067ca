// A GPU of this machine; where there is none a test says so, and CTest skips it.
#pragma once

#include "gpu/open_device.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <string>

namespace troupe::test {

inline std::shared_ptr<gpu::device> a_gpu() {
  const std::string why = gpu::why_no_cuda_device();
  if (why.empty()) return gpu::open_device("cuda:0");
  MESSAGE("skipped: " << why);
  return nullptr;
}

} // namespace troupe::test
