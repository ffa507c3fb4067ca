// The steady path of a step: nothing is compiled, no tensor is allocated, and what messages take
// from the heap does not grow with the model. A program of its own, because it replaces new.
#include "ops/tensor.hpp"
#include <troupe.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>
#include <vector>

namespace {

std::atomic<std::uint64_t> allocations{0};
std::atomic<std::size_t> largest{0};

[[maybe_unused]] void* counted(std::size_t bytes) {
  ++allocations;
  std::size_t seen = largest;
  while (bytes > seen && !largest.compare_exchange_weak(seen, bytes)) {
  }
  if (void* out = std::malloc(std::max<std::size_t>(bytes, 1))) return out;
  throw std::bad_alloc();
}

} // namespace

// The address sanitizer has a heap of its own; there only tensors are counted.
#if !defined(__SANITIZE_ADDRESS__)
void* operator new(std::size_t bytes) {
  return counted(bytes);
}

void* operator new[](std::size_t bytes) {
  return counted(bytes);
}

void operator delete(void* p) noexcept {
  std::free(p);
}

void operator delete[](void* p) noexcept {
  std::free(p);
}

void operator delete(void* p, std::size_t) noexcept {
  std::free(p);
}

void operator delete[](void* p, std::size_t) noexcept {
  std::free(p);
}
#endif

using namespace troupe;

namespace {

constexpr std::int64_t warm_up = 15, steps = 40;

struct counts {
  std::uint64_t tensors = 0;    // buffers allocated between warm-up and end
  double heap_per_step = 0;     // calls of new
  std::size_t heap_largest = 0; // bytes of the largest one
};

counts count(int width, const optimizer& rule) {
  const job j{.model = sequential(conv2d{.channels = width, .padding = 1, .bias = false},
                                  batch_norm{},
                                  relu{},
                                  max_pool2d{},
                                  flatten{},
                                  dropout{0.25F},
                                  dense{4 * width},
                                  relu{},
                                  dense{10}),
              .data = load_data("synthetic:2048", 3),
              .optimizer = rule,
              .learning_rate = {.base = 0.001F},
              .batch = 32,
              .microbatches = 4,
              .steps = steps};
  counts out;
  std::uint64_t tensors_before = 0, heap_before = 0;
  cluster{}
      .start(data_parallel(j, {.replicas = 2}),
             {.evaluate = false,
              .observer =
                  [&](const run_event& e) {
                    const auto* s = std::get_if<step_event>(&e);
                    if (s == nullptr) return;
                    if (s->step == warm_up) {
                      tensors_before = buffer_pool::global().allocations();
                      heap_before = allocations;
                      largest = 0;
                    } else if (s->step == steps - 1) {
                      out.tensors = buffer_pool::global().allocations() - tensors_before;
                      out.heap_per_step = static_cast<double>(allocations - heap_before) /
                                          static_cast<double>(steps - 1 - warm_up);
                      out.heap_largest = largest;
                    }
                  }})
      .wait();
  return out;
}

} // namespace

TEST_CASE("a steady step allocates no tensor, and nothing that grows with the model") {
  for (const optimizer& rule : {optimizer{sgd{.momentum = 0.9F}}, optimizer{adam{}}}) {
    const auto narrow = count(16, rule), wide = count(32, rule);
    MESSAGE("calls of new per step: " << narrow.heap_per_step << " and " << wide.heap_per_step
                                      << ", largest " << narrow.heap_largest << " and "
                                      << wide.heap_largest << " bytes");
    // Not 0: threads that meet in a new order may need one more buffer at once than ever before.
    CHECK(narrow.tensors <= 4);
    CHECK(wide.tensors <= 4);
    CHECK(wide.heap_per_step < 1.3 * narrow.heap_per_step + 20);
    CHECK(wide.heap_per_step < 1000);
    CHECK(wide.heap_largest <= 4096);
  }
}
