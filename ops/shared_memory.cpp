#include "ops/shared_memory.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace troupe {

namespace {

#ifndef F_SEAL_FUTURE_WRITE
constexpr int F_SEAL_FUTURE_WRITE = 0x10;
#endif

constexpr mode_t of_this_user = 0600;

bool seal(int descriptor, shared_memory::writers who) {
  int seals = F_SEAL_SHRINK | F_SEAL_GROW;
  if (who == shared_memory::writers::this_process) seals |= F_SEAL_FUTURE_WRITE;
  return ::fcntl(descriptor, F_ADD_SEALS, seals | F_SEAL_SEAL) == 0;
}

} // namespace

std::shared_ptr<shared_memory> shared_memory::make(std::size_t bytes, writers who) {
  const int descriptor = ::memfd_create("troupe", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (descriptor < 0) return nullptr;
  void* at = MAP_FAILED;
  if (::fchmod(descriptor, of_this_user) == 0 &&
      ::ftruncate(descriptor, static_cast<off_t>(bytes)) == 0)
    at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, descriptor, 0);
  if (at != MAP_FAILED && seal(descriptor, who)) {
    // Else a child that begins as a copy would write into the memory of its parent.
    ::madvise(at, bytes, MADV_DONTFORK);
    return std::make_shared<shared_memory>(descriptor,
                                           std::span(static_cast<std::byte*>(at), bytes));
  }
  if (at != MAP_FAILED) ::munmap(at, bytes);
  ::close(descriptor);
  return nullptr;
}

shared_memory::shared_memory(int descriptor, std::span<std::byte> bytes)
    : process_(::getpid()), descriptor_(descriptor), bytes_(bytes) {}

shared_memory::~shared_memory() {
  if (process_ == ::getpid()) ::munmap(bytes_.data(), bytes_.size());
  ::close(descriptor_);
}

} // namespace troupe
