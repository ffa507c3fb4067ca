#include "ops/files/atomic_file.hpp"

#include "support/error_of.hpp"
#include "support/scratch_folder.hpp"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <thread>
#include <vector>

using namespace troupe;
using namespace troupe::test;

namespace {

std::size_t files_in(const std::string& folder) {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    count += entry.is_regular_file() ? 1 : 0;
  return count;
}

} // namespace

TEST_CASE("a file is written whole, replaced whole, and leaves no temporary") {
  const scratch_folder folder;
  const std::string path = folder.file("a");
  write_file_atomically(path, std::string("one\0two", 7));
  CHECK(read_file(path) == std::string("one\0two", 7));
  write_file_atomically(path, "");
  CHECK(read_file(path).empty());
  CHECK(files_in(folder.path()) == 1);
}

TEST_CASE("a file that comes in pieces is not there before it is kept, and never if it is not") {
  const scratch_folder folder;
  const std::string path = folder.file("a");
  {
    new_file given_up(path);
    given_up.append("half");
    CHECK_FALSE(std::filesystem::exists(path));
    CHECK(files_in(folder.path()) == 1);
  }
  CHECK(files_in(folder.path()) == 0);
  new_file kept(path);
  kept.append("one ");
  kept.append("two");
  kept.keep_as(folder.file("b"));
  CHECK(read_file(folder.file("b")) == "one two");
  CHECK(files_in(folder.path()) == 1);
}

TEST_CASE("two that write one file at once leave one of the two") {
  const scratch_folder folder;
  const std::string path = folder.file("a");
  std::vector<std::thread> writers;
  for (const char c : {'x', 'y'})
    writers.emplace_back([&path, c] {
      for (int times = 0; times < 20; ++times)
        write_file_atomically(path, std::string(100'000, c));
    });
  for (auto& w : writers)
    w.join();
  const auto found = read_file(path);
  CHECK((found == std::string(100'000, 'x') || found == std::string(100'000, 'y')));
  CHECK(files_in(folder.path()) == 1);
}

TEST_CASE("a failed write names the path, the reason and the cure, and removes its temporary") {
  const scratch_folder folder;
  SUBCASE("missing folder") {
    CHECK_ERROR(write_file_atomically(folder.file("no/b"), "x"), "cannot write " + folder.path());
    CHECK_ERROR(write_file_atomically(folder.file("no/b"), "x"), "No such file or directory");
    CHECK_ERROR(write_file_atomically(folder.file("no/b"), "x"), "mkdir -p " + folder.file("no"));
  }
  SUBCASE("the path is a folder") {
    std::filesystem::create_directories(folder.file("c/d"));
    CHECK_ERROR(write_file_atomically(folder.file("c"), "x"), "Is a directory");
    CHECK(files_in(folder.path()) == 0);
  }
  SUBCASE("no permission") {
    if (::geteuid() == 0) {
      MESSAGE("skipped: root may write everywhere");
      return;
    }
    std::filesystem::permissions(folder.path(), std::filesystem::perms::owner_read);
    CHECK_ERROR(write_file_atomically(folder.file("e"), "x"), "Permission denied");
    std::filesystem::permissions(folder.path(), std::filesystem::perms::owner_all);
  }
}

TEST_CASE("a write that does not fit keeps the old file") {
  const scratch_folder folder;
  const std::string path = folder.write("a", "old");
  // A limit on the file size stands for a full disk: write() fails half-way.
  const auto before = std::signal(SIGXFSZ, SIG_IGN);
  rlimit old_limit{};
  ::getrlimit(RLIMIT_FSIZE, &old_limit);
  rlimit small = old_limit;
  small.rlim_cur = 4096;
  ::setrlimit(RLIMIT_FSIZE, &small);
  const std::string text = error_of([&] { write_file_atomically(path, std::string(10000, 'x')); });
  ::setrlimit(RLIMIT_FSIZE, &old_limit);
  std::signal(SIGXFSZ, before);
  CHECK(contains(text, "File too large"));
  CHECK(contains(text, "free some space"));
  CHECK(read_file(path) == "old");
  CHECK(files_in(folder.path()) == 1);
}

TEST_CASE("an unreadable file names the path and the reason") {
  const scratch_folder folder;
  CHECK_ERROR(read_file(folder.file("none")), "cannot read " + folder.file("none"));
  CHECK_ERROR(read_file(folder.file("none")), "No such file");
  CHECK_ERROR(read_file(folder.path()), "Is a directory");
  CHECK_ERROR(read_file("/dev/null"), "not a regular file");
}
