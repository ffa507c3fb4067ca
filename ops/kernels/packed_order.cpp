#include "ops/kernels/packed_order.hpp"

#include "ops/assert.hpp"

#include <algorithm>

namespace troupe::kernels {

namespace {

dnnl::memory over(const memory_desc& desc, const float* data) {
  // oneDNN has no read-only memory; sources are not written.
  return dnnl::memory(desc, cpu_engine(), const_cast<float*>(data));
}

void copy(const dnnl::memory& from, const dnnl::memory& to) {
  dnnl::stream stream(cpu_engine());
  dnnl::memory source = from, target = to;
  dnnl::reorder(source, target).execute(stream, source, target);
  stream.wait();
}

} // namespace

void packed_order::pack(std::span<const float> plain, std::span<float> packed) const {
  use_one_thread();
  TROUPE_ASSERT(plain.size() == float_count(steps_.front().from), "plain size");
  TROUPE_ASSERT(packed.size() >= float_count(steps_.back().to), "packed size");
  std::fill(packed.begin(), packed.end(), 0.0F);
  std::vector<float> between(plain.begin(), plain.end());
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    const bool last = i + 1 == steps_.size();
    std::vector<float> next(last ? 0 : float_count(steps_[i].to));
    copy(over(steps_[i].from, between.data()),
         over(steps_[i].to, last ? packed.data() : next.data()));
    between.swap(next);
  }
}

void packed_order::unpack(std::span<const float> packed, std::span<float> plain) const {
  use_one_thread();
  TROUPE_ASSERT(plain.size() == float_count(steps_.front().from), "plain size");
  TROUPE_ASSERT(packed.size() >= float_count(steps_.back().to), "packed size");
  // Copied, because oneDNN writes zeros into the padding of whatever memory it is given.
  std::vector<float> between(packed.begin(), packed.end());
  for (std::size_t i = steps_.size(); i-- > 0;) {
    std::vector<float> next(i == 0 ? 0 : float_count(steps_[i].from));
    copy(over(steps_[i].to, between.data()),
         over(steps_[i].from, i == 0 ? plain.data() : next.data()));
    between.swap(next);
  }
}

bool packed_order::changes_nothing() const {
  return std::all_of(steps_.begin(), steps_.end(), [](const step& s) { return s.from == s.to; });
}

bool operator==(const packed_order& a, const packed_order& b) {
  return std::equal(a.steps_.begin(),
                    a.steps_.end(),
                    b.steps_.begin(),
                    b.steps_.end(),
                    [](const auto& x, const auto& y) { return x.from == y.from && x.to == y.to; });
}

} // namespace troupe::kernels
