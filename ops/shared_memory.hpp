// Memory of this process that other processes of its user may map, by the number of its descriptor
// (/proc/PID/fd). It has no name and is in no folder: it ends with the last process that has it
// mapped, however they end. Its size never changes, and that is sealed: who maps it cannot lose
// pages. A page costs memory from its first use.
//
// The system gives such memory small pages, where a process alone has large ones; `use_large_pages`
// asks for them.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <span>

namespace troupe {

constexpr std::size_t large_page_bytes = std::size_t{2} << 20;

// All of a file in memory, at the start of a large page. Empty: the system refuses.
std::span<std::byte> map_shared(int descriptor, std::size_t bytes, bool writable);

class shared_memory {
public:
  enum class writers { this_process, all };

  // Null where the system has none to give.
  static std::shared_ptr<shared_memory> make(std::size_t bytes, writers who);

  shared_memory(int descriptor, std::span<std::byte> bytes); // takes both over
  ~shared_memory();
  shared_memory(const shared_memory&) = delete;
  shared_memory& operator=(const shared_memory&) = delete;

  [[nodiscard]] std::span<std::byte> bytes() const { return bytes_; }

  [[nodiscard]] int descriptor() const { return descriptor_; }

  // Backs the large pages [first, last) by memory before they are used, where the system can.
  void use_large_pages(std::size_t first, std::size_t last);

private:
  pid_t process_; // a child that begins as a copy of it has not got the memory
  int descriptor_;
  std::span<std::byte> bytes_;
};

} // namespace troupe
