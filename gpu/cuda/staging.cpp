#include "gpu/cuda/staging.hpp"

#include <algorithm>
#include <cstring>

namespace troupe::gpu::cuda {

namespace {

constexpr std::size_t slot_bytes = std::size_t{4} << 20;

pinned_memory make_pinned(std::size_t bytes) {
  void* raw = nullptr;
  check(cudaHostAlloc(&raw, bytes, cudaHostAllocDefault), "cudaHostAlloc");
  return pinned_memory(static_cast<std::byte*>(raw));
}

} // namespace

staging::staging() {
  for (slot& s : slots_) {
    s.memory = make_pinned(slot_bytes);
    s.left =
        made<event>("cudaEventCreateWithFlags", cudaEventCreateWithFlags, cudaEventDisableTiming);
  }
}

void staging::copy(void* to, const void* from, std::size_t bytes, cudaStream_t on) {
  auto* target = static_cast<std::byte*>(to);
  const auto* source = static_cast<const std::byte*>(from);
  for (std::size_t done = 0; done < bytes;) {
    const std::size_t part = std::min(bytes - done, slot_bytes);
    const slot& s = slots_[next_];
    check(cudaEventSynchronize(s.left.get()), "cudaEventSynchronize");
    std::memcpy(s.memory.get(), source + done, part);
    check(cudaMemcpyAsync(target + done, s.memory.get(), part, cudaMemcpyHostToDevice, on),
          "cudaMemcpyAsync");
    check(cudaEventRecord(s.left.get(), on), "cudaEventRecord");
    next_ = (next_ + 1) % slots_.size();
    done += part;
  }
}

} // namespace troupe::gpu::cuda
