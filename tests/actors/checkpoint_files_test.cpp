#include "actors/checkpoint_files.hpp"

#include "ops/digest.hpp"
#include "ops/error.hpp"
#include "support/error_of.hpp"
#include "support/small_layout.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace troupe;
using namespace troupe::test;

namespace {

using names = std::vector<std::string>;

const std::string folder = "/checkpoints";
const std::atomic<bool> never{false};

std::string at(int step) {
  return folder + "/step-" + std::to_string(step);
}

shard_content content_of(const parameter_layout& layout, int step) {
  shard_content out;
  out.step = static_cast<std::uint64_t>(step);
  out.states.emplace_back();
  out.states.back().prefix.statistics = true;
  out.states.back().blocks = random_blocks(layout, static_cast<std::uint32_t>(step), false);
  return out;
}

checkpoint_manifest save(disk& files, int step, int kept = 2) {
  const auto layout = small_layout();
  const auto content = content_of(layout, step);
  checkpoint_manifest m{.step = content.step, .job = {}, .shards = {}};
  shard_place place{"holder", std::make_shared<const parameter_layout>(layout)};
  m.shards.push_back(write_shard_file(files, at(step), place, content, never));
  write_manifest(files, at(step), m);
  retire_checkpoints(files, at(step), kept);
  return m;
}

bool is_whole(const disk& files, int step) {
  return files.size(at(step) + "/checkpoint.json").has_value();
}

} // namespace

TEST_CASE("the name and the length of a shard are those of its bytes, which come in pieces") {
  memory_disk files;
  const auto m = save(files, 1);
  REQUIRE(m.shards.size() == 1);
  const auto bytes = files.files().at(at(1) + "/" + m.shards[0].name);
  CHECK(bytes.size() == m.shards[0].bytes);
  CHECK(digest_of(bytes.data(), bytes.size()) == m.shards[0].digest);
  CHECK(m.shards[0].name == "holder-" + digest_text(m.shards[0].digest) + ".safetensors");
}

TEST_CASE("the newest checkpoints are kept, of one file too, and everything else of the folder") {
  memory_disk files;
  files.write(folder + "/notes.txt", "mine");
  files.write(folder + "/step-1.safetensors", "old");
  files.write(folder + "/step-2.safetensors", "old");
  for (const int step : {3, 4})
    save(files, step, 3);
  CHECK(files.list(folder) == names{"notes.txt", "step-2.safetensors"});
  save(files, 10, 2);
  CHECK(files.list(folder) == names{"notes.txt"});
  CHECK(files.folders(folder) == names{"step-10", "step-4"});
}

TEST_CASE("who saves behind newer checkpoints of another run keeps what it has just written") {
  memory_disk files;
  for (const int step : {7, 8, 9})
    save(files, step, 3);
  save(files, 2, 3);
  CHECK(is_whole(files, 2));
  CHECK(files.folders(folder).size() == 3);
}

TEST_CASE("what saves that were given up have left is removed by the next one that is complete") {
  memory_disk files;
  files.write(at(3) + "/holder-0-0.safetensors", "of a save that was given up");
  files.write(at(3) + "/holder-1.1-2.tmp", "of one that was killed");
  files.write(at(4) + "/holder-0-0.safetensors", "of an earlier try");
  files.write(at(5) + "/holder-0-0.safetensors", "not known");
  const auto m = save(files, 4);
  CHECK(files.folders(folder) == names{"step-4", "step-5"});
  CHECK(files.list(at(4)) == names{"checkpoint.json", m.shards[0].name});
}

TEST_CASE("a checkpoint that does not fit leaves the one before it as it was") {
  memory_disk files;
  save(files, 1);
  const auto before = files.files();
  std::uint64_t used = 0;
  for (const auto& [path, bytes] : before)
    used += bytes.size();
  for (const std::uint64_t more : {0, 100, 1000, 2000}) {
    files.limit(used + more);
    const auto told = error_of([&] { save(files, 2); });
    CAPTURE(more);
    if (told.empty()) continue;
    CHECK(contains(told, "No space left on device"));
    CHECK_FALSE(is_whole(files, 2));
    for (const auto& [path, bytes] : before)
      CHECK(files.files().at(path) == bytes);
  }
  files.limit(1'000'000);
  files.fail_to_keep(true);
  CHECK_ERROR(save(files, 3), "Input/output error");
  CHECK_FALSE(is_whole(files, 3));
  files.fail_to_keep(false);
  save(files, 3);
  CHECK(is_whole(files, 3));
}

TEST_CASE("a folder that nodes do not share is told, and has no manifest") {
  memory_disk here, elsewhere;
  const auto m = save(elsewhere, 1);
  const auto told = error_of([&] { write_manifest(here, at(1), m); });
  CHECK(contains(told, m.shards[0].name));
  CHECK(contains(told, "one folder of a file system that they share"));
  CHECK_FALSE(is_whole(here, 1));
  here.write(at(1) + "/" + m.shards[0].name, "half");
  CHECK_ERROR(write_manifest(here, at(1), m), "it has 4 bytes here");
}

TEST_CASE("who is not wanted any more stops in the middle of a shard and leaves nothing") {
  memory_disk files;
  const auto layout = small_layout();
  const std::atomic<bool> cancelled{true};
  shard_place place{"holder", std::make_shared<const parameter_layout>(layout)};
  CHECK_THROWS_AS(write_shard_file(files, at(1), place, content_of(layout, 1), cancelled), error);
  CHECK(files.files().empty());
}
