#include "actors/runtime/disk.hpp"

#include "support/error_of.hpp"
#include "support/scratch_folder.hpp"

#include <doctest/doctest.h>

#include <map>
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
  CHECK(d.folders(folder + "/a") == names{"b"});
  CHECK(d.folders(folder + "/nowhere").empty());
  CHECK(d.size(folder + "/a/b/three") == 1);
  CHECK_FALSE(d.size(folder + "/a/four").has_value());

  const auto coming = d.create(folder + "/a/four");
  coming->append("one ");
  coming->append("two");
  CHECK_FALSE(d.size(folder + "/a/four").has_value());
  coming->keep_as(folder + "/a/five");
  CHECK(d.size(folder + "/a/five") == 7);
  d.create(folder + "/a/six")->append("given up");
  CHECK(d.list(folder + "/a") == names{"five", "two"});
  d.remove(folder + "/a/b/three");
  d.remove(folder + "/a/b");
  CHECK(d.folders(folder + "/a").empty());
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

TEST_CASE("a disk in memory can be full, or lose what comes, and keeps what it has") {
  memory_disk d;
  d.write("/a/old", "1234");
  d.limit(10);
  CHECK_THROWS_WITH_AS(d.write("/a/new", "1234567"), doctest::Contains("No space left"), error);
  d.write("/a/new", "123456");
  CHECK_THROWS_AS(d.write("/a/old", "5"), error); // there is no room beside the old one
  d.remove("/a/new");
  d.write("/a/old", "56");
  CHECK(d.files() == std::map<std::string, std::string>{{"/a/old", "56"}});
  d.fail_to_keep(true);
  CHECK_THROWS_WITH_AS(d.write("/a/old", "7"), doctest::Contains("fsync"), error);
  CHECK(d.files().at("/a/old") == "56");
  d.fail_to_keep(false);
  d.write("/a/old", "12345678"); // what failed takes no room
  CHECK(d.size("/a/old") == 8);
}

TEST_CASE("a folder below a file cannot be made, and the error says where") {
  const test::scratch_folder scratch;
  const auto below = scratch.write("file", "x") + "/folder";
  CHECK_THROWS_WITH_AS(machine_disk().make_folder(below), doctest::Contains(below.c_str()), error);
}
