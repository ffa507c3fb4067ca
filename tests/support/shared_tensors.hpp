// Tensors that can be lent, and the memory of this process as others see it.
#pragma once

#include "net/lender.hpp"
#include "net/processes.hpp"
#include "ops/tensor.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>

namespace troupe::test {

// Of `floats` floats, all `value`, in memory that this process shares.
inline net::payload shared_payload(std::int64_t floats, float value) {
  (void)net::lender::of_process();
  auto made = buffer_pool::global().take({floats});
  std::fill_n(made.data(), floats, value);
  const auto kept = std::make_shared<const tensor>(std::move(made).freeze());
  return {kept, std::as_bytes(kept->values())};
}

inline float first_float(const net::payload& p) {
  float out = 0;
  if (p.bytes.size() >= sizeof out) std::memcpy(&out, p.bytes.data(), sizeof out);
  return out;
}

// As parcel_of (support/live_node.hpp), with a tensor.
inline net::parcel shared_parcel_of(const std::string& text, std::int64_t floats, float value) {
  net::parcel out;
  for (const char c : text)
    out.body.push_back(static_cast<std::byte>(c));
  out.payloads.push_back(shared_payload(floats, value));
  return out;
}

// Of its own, so that nothing else is lent by it.
inline std::shared_ptr<net::lender> new_lender(net::lender::limits most = {}) {
  return std::make_shared<net::lender>(
      buffer_pool::global().share(),
      shared_memory::make(net::loan_board::bytes_needed, shared_memory::writers::all),
      most);
}

} // namespace troupe::test
