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

#ifndef MADV_POPULATE_WRITE
constexpr int MADV_POPULATE_WRITE = 23; // Linux 5.14
#endif
#ifndef MADV_COLLAPSE
constexpr int MADV_COLLAPSE = 25; // Linux 6.1
#endif

constexpr mode_t of_this_user = 0600;

bool seal(int descriptor, shared_memory::writers who) {
  int seals = F_SEAL_SHRINK | F_SEAL_GROW;
  if (who == shared_memory::writers::this_process) seals |= F_SEAL_FUTURE_WRITE;
  return ::fcntl(descriptor, F_ADD_SEALS, seals | F_SEAL_SEAL) == 0;
}

} // namespace

std::span<std::byte> map_shared(int descriptor, std::size_t bytes, bool writable) {
  // Room for it wherever a large page begins; what is left at both ends is given back.
  const std::size_t room = bytes + large_page_bytes;
  void* const all =
      ::mmap(nullptr, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (all == MAP_FAILED) return {};
  auto* const begin = static_cast<std::byte*>(all);
  const std::size_t before =
      (large_page_bytes - reinterpret_cast<std::uintptr_t>(all) % large_page_bytes) %
      large_page_bytes;
  const int access = writable ? PROT_READ | PROT_WRITE : PROT_READ;
  const int flags = MAP_SHARED | MAP_NORESERVE | MAP_FIXED;
  if (::mmap(begin + before, bytes, access, flags, descriptor, 0) == MAP_FAILED) {
    ::munmap(all, room);
    return {};
  }
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::size_t end = before + (bytes + page - 1) / page * page;
  if (before > 0) ::munmap(begin, before);
  if (end < room) ::munmap(begin + end, room - end);
  return {begin + before, bytes};
}

std::shared_ptr<shared_memory> shared_memory::make(std::size_t bytes, writers who) {
  const int descriptor = ::memfd_create("troupe", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (descriptor < 0) return nullptr;
  std::span<std::byte> at;
  if (::fchmod(descriptor, of_this_user) == 0 &&
      ::ftruncate(descriptor, static_cast<off_t>(bytes)) == 0)
    at = map_shared(descriptor, bytes, true);
  if (!at.empty() && seal(descriptor, who)) {
    // Else a child that begins as a copy would write into the memory of its parent.
    ::madvise(at.data(), bytes, MADV_DONTFORK);
    return std::make_shared<shared_memory>(descriptor, at);
  }
  if (!at.empty()) ::munmap(at.data(), bytes);
  ::close(descriptor);
  return nullptr;
}

shared_memory::shared_memory(int descriptor, std::span<std::byte> bytes)
    : process_(::getpid()), descriptor_(descriptor), bytes_(bytes) {}

// Collapsing pages that are there is allowed whatever the system's settings for such memory say.
void shared_memory::use_large_pages(std::size_t first, std::size_t last) {
  std::byte* const begin = bytes_.data() + first * large_page_bytes;
  const std::size_t size = (last - first) * large_page_bytes;
  if (::madvise(begin, size, MADV_POPULATE_WRITE) == 0)
    (void)::madvise(begin, size, MADV_COLLAPSE); // failure costs only speed
}

shared_memory::~shared_memory() {
  if (process_ == ::getpid()) ::munmap(bytes_.data(), bytes_.size());
  ::close(descriptor_);
}

} // namespace troupe
