// Counts what is taken from the heap: by the hooks of the address sanitizer, or by replacing new.
#include "fuzz/targets/target.hpp"

#include <malloc.h>

#include <new>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TROUPE_SANITIZED_HEAP
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define TROUPE_SANITIZED_HEAP
#endif

namespace {

std::size_t in_use = 0, bytes_max = SIZE_MAX; // the targets have one thread

void count(std::size_t size) {
  in_use += size;
  if (in_use <= bytes_max) return;
  bytes_max = SIZE_MAX;
  std::fprintf(stderr, "%zu bytes at once\n", size);
  troupe::fuzz::require(false, "an input takes no more memory than twice its size");
}

} // namespace

#ifdef TROUPE_SANITIZED_HEAP

#include <sanitizer/allocator_interface.h>

namespace {

void taken(const volatile void*, std::size_t size) {
  count(size);
}

void given_back(const volatile void* p) {
  in_use -= __sanitizer_get_allocated_size(const_cast<const void*>(p));
}

[[maybe_unused]] const int hooks = __sanitizer_install_malloc_and_free_hooks(taken, given_back);

} // namespace

#else

namespace {

void* counted(std::size_t size) {
  void* out = std::malloc(size > 0 ? size : 1);
  if (out == nullptr) throw std::bad_alloc();
  count(::malloc_usable_size(out));
  return out;
}

void forget(void* p) {
  if (p != nullptr) in_use -= ::malloc_usable_size(p);
  std::free(p);
}

} // namespace

void* operator new(std::size_t size) {
  return counted(size);
}

void* operator new[](std::size_t size) {
  return counted(size);
}

void operator delete(void* p) noexcept {
  forget(p);
}

void operator delete[](void* p) noexcept {
  forget(p);
}

void operator delete(void* p, std::size_t) noexcept {
  forget(p);
}

void operator delete[](void* p, std::size_t) noexcept {
  forget(p);
}

#endif

namespace troupe::fuzz {

std::size_t heap_in_use() {
  return in_use;
}

void begin_meter(std::size_t most) {
  bytes_max = most;
}

void end_meter() {
  bytes_max = SIZE_MAX;
}

} // namespace troupe::fuzz
