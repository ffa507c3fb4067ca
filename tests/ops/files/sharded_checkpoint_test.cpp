#include "ops/files/sharded_checkpoint.hpp"

#include "support/error_of.hpp"
#include "support/same_bits.hpp"
#include "support/scratch_folder.hpp"
#include "support/small_layout.hpp"
#include "support/written_shards.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <set>

using namespace troupe;
using namespace troupe::test;

namespace {

checkpoint sample(const parameter_layout& layout, std::uint64_t step = 42) {
  checkpoint c;
  c.step = step;
  const auto draw = static_cast<std::uint32_t>(step) * 10;
  c.parameters = random_blocks(layout, draw + 1, false);
  c.slots = {random_blocks(layout, draw + 2, true), random_blocks(layout, draw + 3, true)};
  c.residuals = {random_blocks(layout, draw + 4, true)};
  c.job = {{"model", "small"}, {"note", "\"seal\": \"0123456789abcdef\" \n"}};
  return c;
}

// One big parameter whose kernel wants it in another order, and a small one behind it.
parameter_layout big_layout() {
  parameter_layout layout = small_layout();
  layout.specs[6].dims = shape{180, 200};
  layout.places[6].size = 180 * 200;
  layout.places[6].order = std::make_shared<reversed>();
  layout.places[7].offset = layout.places[6].size;
  layout.blocks[1].size = layout.blocks[1].trainable = layout.places[7].offset + 16;
  return layout;
}

// The big one in three blocks.
parameter_layout split_layout() {
  return split_blocks(big_layout(), chunk_elements);
}

// Rows 0 and 1 of a weight, and row 2: a layer in two slices.
parameter_layout sliced_layout() {
  parameter_layout layout = small_layout();
  parameter_spec whole = layout.specs[6];
  const auto rows = [&](std::size_t at, std::int64_t first, std::int64_t count) {
    parameter_spec& spec = layout.specs[at];
    spec = whole;
    spec.dims[0] = count;
    spec.rows = rows_of_whole{whole.name, whole.dims, first};
    spec.name += "[" + std::to_string(first) + ":" + std::to_string(first + count) + "]";
  };
  rows(6, 0, 2);
  rows(7, 2, 1);
  layout.places[6].size = 16;
  layout.blocks[1].size = layout.blocks[1].trainable = 16;
  layout.blocks.push_back({16, 16, false});
  layout.places[7] = {.block = 2, .offset = 0, .size = 16, .order = nullptr};
  return layout;
}

void check_same(const checkpoint& a, const checkpoint& b) {
  CHECK(a.step == b.step);
  CHECK(a.job == b.job);
  REQUIRE(a.slots.size() == b.slots.size());
  REQUIRE(a.residuals.size() == b.residuals.size());
  REQUIRE(a.islands.size() == b.islands.size());
  const auto states_a = all_states(a), states_b = all_states(b);
  REQUIRE(states_a.size() == states_b.size());
  for (std::size_t i = 0; i < states_a.size(); ++i) {
    INFO(states_a[i].first.text);
    CHECK(same_bits(*states_a[i].second, *states_b[i].second));
  }
}

std::string read_of(const std::string& folder, const parameter_layout& layout) {
  return error_of([&] { read_checkpoint(folder, layout); });
}

std::vector<std::string> files_of(const std::string& folder) {
  std::vector<std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    out.push_back(entry.path().string());
  std::sort(out.begin(), out.end());
  return out;
}

} // namespace

TEST_CASE("a checkpoint of shards comes back bit by bit, whoever has written which block") {
  for (const auto& layout : {small_layout(), split_layout(), sliced_layout()}) {
    const checkpoint c = sample(layout);
    const auto blocks = layout.blocks.size();
    for (const int writers : {1, 2, 3, 4}) {
      const scratch_folder folder;
      std::vector<int> owner;
      for (std::size_t b = 0; b < blocks; ++b)
        owner.push_back(static_cast<int>(b) % writers);
      CAPTURE(blocks);
      CAPTURE(writers);
      write_shards(folder.path(), layout, c, owner);
      check_same(read_checkpoint(folder.path(), layout), c);
      check_same(read_checkpoint(folder.file("checkpoint.json"), layout), c);
      CHECK(same_bits(load_weights(folder.path(), layout), c.parameters));
    }
  }
}

TEST_CASE("what islands have is in shards, within a round their parameters, too") {
  const scratch_folder folder;
  const parameter_layout layout = split_layout();
  for (const bool in_round : {false, true}) {
    checkpoint c = sample(layout);
    c.islands.resize(2);
    for (std::uint32_t w = 0; w < 2; ++w) {
      c.islands[w].slots = {random_blocks(layout, 10 + w, true)};
      if (in_round) c.islands[w].parameters = random_blocks(layout, 20 + w, false);
    }
    const auto at = folder.file(in_round ? "in" : "between");
    write_shards(at, layout, c, {0, 1, 1, 0});
    check_same(read_checkpoint(at, layout), c);
  }
}

TEST_CASE("shards hold plain values under PyTorch's names, whoever reads them next") {
  const scratch_folder folder;
  const parameter_layout layout = small_layout();
  const checkpoint c = sample(layout);
  const auto m = write_shards(folder.path(), layout, c, {0, 1});
  const auto first = read_safetensors(folder.file(m.shards[0].name));
  REQUIRE(first.find("0.weight") != nullptr);
  CHECK(first.find("0.weight")->dims == std::vector<std::int64_t>{2, 1, 3, 3});
  CHECK(first.find("0.weight")->values.front() == c.parameters[0].data()[17]); // packed in reverse
  CHECK(first.find("optimizer.1.0.weight") != nullptr);
  CHECK(first.find("optimizer.1.1.running_mean") == nullptr);
  CHECK(first.find("3.weight") == nullptr);
  CHECK(first.metadata.at("step") == "42");
  // Blocks may be cut elsewhere, and layers not be sliced, by who reads.
  parameter_layout other = small_layout();
  other.places[0].order = nullptr;
  CHECK(checkpoint_bytes(other, read_checkpoint(folder.path(), other)) ==
        checkpoint_bytes(layout, c));
}

TEST_CASE("a piece of a parameter is read by kernels of the same order, and others say why not") {
  const scratch_folder folder;
  const parameter_layout layout = split_layout();
  REQUIRE(layout.blocks.size() == 4);
  const checkpoint c = sample(layout);
  write_shards(folder.path(), layout, c, {0, 1, 2, 0});
  const auto uncut = read_checkpoint(folder.path(), big_layout());
  CHECK(checkpoint_bytes(big_layout(), uncut) == checkpoint_bytes(layout, c));
  parameter_layout other = layout;
  other.places[6].order = nullptr;
  const auto text = read_of(folder.path(), other);
  CHECK(contains(text, "in the order of their kernels"));
  CHECK(contains(text, "3.weight"));
}

TEST_CASE("a damaged checkpoint is an error, whichever of its files is damaged and how") {
  const parameter_layout layout = split_layout();
  const checkpoint c = sample(layout), other = sample(layout, 43);
  const std::vector<int> owner{0, 1, 2, 0};
  const scratch_folder scratch;
  write_shards(scratch.file("step-43"), layout, other, owner);
  const auto strange = files_of(scratch.file("step-43"));
  write_shards(scratch.file("step-42"), layout, c, owner);
  const auto files = files_of(scratch.file("step-42"));
  REQUIRE(files.size() == 4);
  write_shards(scratch.file("step-7"), layout, sample(layout, 7), owner);
  std::filesystem::remove_all(scratch.file("step-43"));
  write_shards(scratch.file("strange"), layout, other, owner);

  int damages = 0;
  const auto check_skipped = [&](const std::string& file, const std::string& how) {
    ++damages;
    INFO(file, ": ", how);
    CHECK(read_of(scratch.file("step-42"), layout) != "");
    std::vector<std::string> skipped;
    CHECK(newest_checkpoint(scratch.path(), skipped) == scratch.file("step-7"));
    REQUIRE(skipped.size() == 1);
    CHECK(contains(skipped[0], "step-42"));
  };
  for (std::size_t f = 0; f < files.size(); ++f) {
    const std::string& file = files[f];
    const std::string good = read_file(file);
    for (const std::size_t cut :
         {std::size_t{0}, std::size_t{7}, good.size() / 2, good.size() - 1}) {
      write_file_atomically(file, std::string_view(good).substr(0, cut));
      check_skipped(file, "cut at byte " + std::to_string(cut));
    }
    for (std::size_t at = 0; at < good.size(); at += good.size() / 40 + 1) {
      std::string flipped = good;
      flipped[at] = static_cast<char>(flipped[at] ^ 1 << at % 8);
      write_file_atomically(file, flipped);
      check_skipped(file, "a flipped bit of byte " + std::to_string(at));
    }
    write_file_atomically(file, good + " ");
    check_skipped(file, "a byte too much");
    write_file_atomically(file, std::string(good.size(), '\0'));
    check_skipped(file, "zeros, as after a power cut");
    std::filesystem::remove(file);
    check_skipped(file, "removed");
    write_file_atomically(
        file,
        read_file(strange.empty() ? file
                                  : scratch.file("strange/") +
                                        std::filesystem::path(strange[f]).filename().string()));
    check_skipped(file, "that of another checkpoint");
    const std::string& next = files[(f + 1) % files.size()];
    write_file_atomically(file, read_file(next));
    check_skipped(file, "another file of the same checkpoint");
    write_file_atomically(file, good);
    CHECK(read_of(scratch.file("step-42"), layout) == "");
  }
  CHECK(damages > 150);
}

TEST_CASE("shards that do not fit each other are refused, though each of them is whole") {
  const scratch_folder scratch;
  const parameter_layout layout = split_layout();
  const checkpoint c = sample(layout);
  const std::vector<int> owner{0, 1, 2, 0};
  const auto good = write_shards(scratch.path(), layout, c, owner);
  const auto with = [&](std::vector<shard_file> shards) {
    auto m = good;
    m.shards = std::move(shards);
    write_file_atomically(scratch.file("checkpoint.json"), manifest_text(m));
    return read_of(scratch.path(), layout);
  };
  const auto& s = good.shards;
  CHECK(with({s[0], s[1], s[2]}) == "");
  CHECK(contains(with({s[0], s[2]}), "have not all of"));
  CHECK(contains(with({s[1], s[2]}), "have not all of"));
  CHECK(contains(with({s[0], s[1], s[2], s[2]}), "two of its shards have 3.weight"));
  CHECK(contains(with({}), "missing: 0.weight [2, 1, 3, 3]"));
  const auto later = write_bytes(
      scratch.path(), "parameter_holder-2", shard_bytes(layout, sample(layout, 43), owner, 2));
  CHECK(contains(with({s[0], s[1], later}), "is of step 43"));
  auto fewer = c;
  fewer.slots.pop_back();
  const auto poor =
      write_bytes(scratch.path(), "parameter_holder-0", shard_bytes(layout, fewer, owner, 0));
  CHECK(contains(with({poor, s[1], s[2]}), "have not all of optimizer.1.3.weight"));
  const auto whole_twice =
      write_bytes(scratch.path(), "parameter_holder-3", shard_bytes(layout, c, {0, 1, 2, 1}, 0));
  CHECK(contains(with({s[0], s[1], s[2], whole_twice}), "unexpected: 0.weight"));
  CHECK(with({s[2], s[1], s[0]}) == ""); // in any order
}

TEST_CASE("what a save that was given up has left beside a checkpoint does it no harm") {
  const scratch_folder scratch;
  const parameter_layout layout = small_layout();
  const checkpoint c = sample(layout);
  write_shards(scratch.file("step-42"), layout, c, {0, 1});
  write_bytes(scratch.file("step-42"), "parameter_holder-0", "half");
  scratch.write("step-42/parameter_holder-0.1-1.tmp", "less");
  check_same(read_checkpoint(scratch.file("step-42"), layout), c);
  // Shards without a manifest are no checkpoint.
  write_shards(scratch.file("step-43"), layout, sample(layout, 43), {0, 1});
  std::filesystem::remove(scratch.file("step-43/checkpoint.json"));
  std::vector<std::string> skipped;
  CHECK(newest_checkpoint(scratch.path(), skipped) == scratch.file("step-42"));
  REQUIRE(skipped.size() == 1);
  CHECK(contains(skipped[0], "it was not written to the end"));
  CHECK(is_checkpoint(scratch.file("step-43/"))); // who names it is told the same
  CHECK(contains(read_of(scratch.file("step-43"), layout), "it was not written to the end"));
}

TEST_CASE("checkpoints of one file and of shards are found beside each other, the newest first") {
  const scratch_folder scratch;
  const parameter_layout layout = small_layout();
  std::vector<std::string> skipped;
  write_checkpoint(scratch.file("step-9.safetensors"), layout, sample(layout, 9));
  write_shards(scratch.file("step-10"), layout, sample(layout, 10), {0, 0});
  CHECK(newest_checkpoint(scratch.path(), skipped) == scratch.file("step-10"));
  write_checkpoint(scratch.file("step-11.safetensors"), layout, sample(layout, 11));
  CHECK(newest_checkpoint(scratch.path(), skipped) == scratch.file("step-11.safetensors"));
  std::filesystem::rename(scratch.file("step-10"), scratch.file("step-12"));
  CHECK(newest_checkpoint(scratch.path(), skipped) == scratch.file("step-11.safetensors"));
  REQUIRE(skipped.size() == 1);
  CHECK(contains(skipped[0], "another step"));
  CHECK(is_checkpoint(scratch.file("step-12")));
  CHECK_FALSE(is_checkpoint(scratch.path()));
}

TEST_CASE("a manifest says all of what it was given, and refuses what it was not") {
  checkpoint_manifest m{.step = 7,
                        .slots = 2,
                        .residuals = 3,
                        .islands = 4,
                        .island_slots = 1,
                        .island_parameters = true,
                        .job = {{"seed", "1"}},
                        .shards = {{"parameter_holder-0-0123456789abcdef.safetensors", 12, 34}}};
  CHECK(parse_manifest(manifest_text(m), "m") == m);
  for (const char* name : {"", "../x", "a/b", "."}) {
    m.shards[0].name = name;
    CHECK_ERROR(parse_manifest(manifest_text(m), "m"), "is no name of a file");
  }
  m.shards[0].name = "x";
  m.slots = 17;
  CHECK_ERROR(parse_manifest(manifest_text(m), "m"), "its slots are 17");
  CHECK_ERROR(parse_manifest("{}", "m"), "it has no seal");
}
