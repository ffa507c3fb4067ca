#include "ops/shared_memory.hpp"

#include "ops/tensor.hpp"
#include "support/child_process.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <string>

using namespace troupe;

namespace {

using writers = shared_memory::writers;

bool lies_in(const float* data, const shared_memory& memory) {
  const auto* at = reinterpret_cast<const std::byte*>(data);
  return at >= memory.bytes().data() && at < memory.bytes().data() + memory.bytes().size();
}

int opened(const shared_memory& memory) {
  const std::string path = "/proc/self/fd/" + std::to_string(memory.descriptor());
  return ::open(path.c_str(), O_RDWR | O_CLOEXEC);
}

bool can_write(const shared_memory& memory) {
  const int file = opened(memory);
  void* at = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  ::close(file);
  if (at == MAP_FAILED) return false;
  ::munmap(at, 4096);
  return true;
}

} // namespace

TEST_CASE("who maps shared memory cannot make it smaller, and writes it only if all may") {
  for (const writers who : {writers::this_process, writers::all}) {
    const auto memory = shared_memory::make(8192, who);
    REQUIRE(memory);
    const int file = opened(*memory);
    CHECK(::ftruncate(file, 4096) != 0);
    CHECK(::ftruncate(file, 16384) != 0);
    ::close(file);
    CHECK(can_write(*memory) == (who == writers::all));
  }
}

TEST_CASE("a child that begins as a copy of a process cannot write into its shared memory") {
  const auto memory = shared_memory::make(8192, writers::this_process);
  REQUIRE(memory);
  memory->bytes()[0] = std::byte{1};
  const auto child = test::in_child(10, [&](const auto&) { memory->bytes()[0] = std::byte{2}; });
  CHECK(child.signal == SIGSEGV);
  CHECK(memory->bytes()[0] == std::byte{1});
}

TEST_CASE("a pool that shares takes its buffers from shared memory, recycled ones too") {
  buffer_pool pool;
  { const auto before = pool.take({1000}); }
  const auto memory = pool.share();
  REQUIRE(memory);
  CHECK(pool.share() == memory);
  const float* first = nullptr;
  {
    auto a = pool.take({1000});
    first = a.data();
    CHECK(lies_in(first, *memory));
    CHECK(reinterpret_cast<std::uintptr_t>(first) % 64 == 0);
    auto large = pool.take({3, 1000000});
    CHECK(lies_in(large.data(), *memory));
    CHECK(reinterpret_cast<std::uintptr_t>(large.data()) % 64 == 0);
  }
  CHECK(pool.take({1000}).data() == first);
}

TEST_CASE("a buffer from before a pool shared is not handed out again") {
  buffer_pool pool;
  auto before = pool.take({1000});
  const auto memory = pool.share();
  REQUIRE(memory);
  before = {};
  CHECK(lies_in(pool.take({1000}).data(), *memory));
}

TEST_CASE("a pool whose shared memory is full goes on without, and recycles") {
  buffer_pool pool;
  const auto memory = pool.share(std::size_t{1} << 20);
  REQUIRE(memory);
  const auto a = pool.take({200'000}), b = pool.take({200'000});
  CHECK(lies_in(const_cast<mutable_tensor&>(a).data(), *memory));
  CHECK_FALSE(lies_in(const_cast<mutable_tensor&>(b).data(), *memory));
  const auto before = pool.allocations();
  for (int i = 0; i < 10; ++i)
    (void)pool.take({300'000});
  CHECK(pool.allocations() == before + 1);
}

TEST_CASE("tensors outlive a pool that shares") {
  tensor kept;
  {
    buffer_pool pool;
    REQUIRE(pool.share());
    auto a = pool.take({16});
    a.data()[3] = 7;
    kept = std::move(a).freeze();
  }
  CHECK(kept.values()[3] == 7);
}

TEST_CASE("shared memory begins at a large page, and keeps what lies in it when it is backed") {
  constexpr std::size_t pages = 3;
  const auto memory = shared_memory::make(pages * large_page_bytes + 4096, writers::this_process);
  REQUIRE(memory);
  const auto is_at_large_page = [](std::span<const std::byte> at) {
    return reinterpret_cast<std::uintptr_t>(at.data()) % large_page_bytes == 0;
  };
  CHECK(is_at_large_page(memory->bytes()));
  memory->bytes()[large_page_bytes + 5] = std::byte{7};
  memory->use_large_pages(0, pages);
  CHECK(memory->bytes()[large_page_bytes + 5] == std::byte{7});
  memory->bytes().back() = std::byte{9}; // behind the last large page

  const int file = opened(*memory);
  const auto seen = map_shared(file, memory->bytes().size(), false);
  ::close(file);
  REQUIRE(seen.size() == memory->bytes().size());
  CHECK(is_at_large_page(seen));
  CHECK(seen[large_page_bytes + 5] == std::byte{7});
  CHECK(seen.back() == std::byte{9});
  ::munmap(seen.data(), seen.size());
  CHECK(map_shared(-1, 4096, false).empty());
}

TEST_CASE("buffers of a shared pool lie on its pages, also on the part of one at its end") {
  buffer_pool pool;
  const auto memory = pool.share(2 * large_page_bytes + 8192);
  REQUIRE(memory);
  auto large = pool.take({static_cast<std::int64_t>(2 * large_page_bytes / sizeof(float))});
  auto small = pool.take({1024}), last = pool.take({1024}), none = pool.take({1024});
  CHECK(lies_in(large.data(), *memory));
  CHECK(lies_in(last.data(), *memory));
  CHECK_FALSE(lies_in(none.data(), *memory));
  std::fill_n(last.data(), 1024, 1.0F);
}
