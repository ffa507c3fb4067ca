// Values of a device, for kernels that are called by themselves.
#pragma once

#include "gpu/device.hpp"

#include <memory>
#include <vector>

namespace troupe::test {

struct device_values {
  std::shared_ptr<gpu::device> of;
  std::shared_ptr<std::byte> data;
  std::int64_t count;

  device_values(const std::shared_ptr<gpu::device>& d, const std::vector<float>& from)
      : of(d),
        data(d->allocate(from.size() * sizeof(float))),
        count(static_cast<std::int64_t>(from.size())) {
    of->upload(at(), from.data(), count);
  }

  [[nodiscard]] float* at() const { return reinterpret_cast<float*>(data.get()); }

  [[nodiscard]] std::vector<float> back() const {
    std::vector<float> out(static_cast<std::size_t>(count));
    of->download(out.data(), at(), count);
    return out;
  }
};

} // namespace troupe::test
