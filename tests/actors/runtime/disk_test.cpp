#include "actors/runtime/disk.hpp"

#include "support/error_of.hpp"
#include "support/scratch_folder.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace troupe;

namespace {

using names = std::vector<std::string>;

void check_disk(disk& d, const std::string& folder) {
  d.make_folder(folder + "/a/b");
  CHECK(d.list(folder + "/a").empty());
  CHECK(d.list(folder + "/nowhere").empty());
  d.write(folder + "/a/two", "2");
  d.write(folder + "/a/one", "1");
  d.write(folder + "/a/b/three", "3");
  d.write(folder + "/a/one", "another 1");
  CHECK(d.list(folder + "/a") == names{"one", "two"});
  CHECK(d.list(folder + "/a/b") == names{"three"});
  d.remove(folder + "/a/one");
  d.remove(folder + "/a/one");
  CHECK(d.list(folder + "/a") == names{"two"});
}

} // namespace

TEST_CASE("the machine's disk and one in memory keep the same promises") {
  const test::scratch_folder scratch;
  check_disk(machine_disk(), scratch.path());
  memory_disk memory;
  check_disk(memory, "/somewhere");
  CHECK(memory.files().at("/somewhere/a/two") == "2");
  CHECK(memory.files().size() == 2);
}

TEST_CASE("a folder below a file cannot be made, and the error says where") {
  const test::scratch_folder scratch;
  const auto below = scratch.write("file", "x") + "/folder";
  CHECK_THROWS_WITH_AS(machine_disk().make_folder(below), doctest::Contains(below.c_str()), error);
}
