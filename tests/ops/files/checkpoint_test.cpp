#include "ops/files/checkpoint.hpp"

#include "ops/files/atomic_file.hpp"
#include "ops/files/safetensors.hpp"
#include "support/error_of.hpp"
#include "support/same_bits.hpp"
#include "support/scratch_folder.hpp"
#include "support/small_layout.hpp"

#include <doctest/doctest.h>

#include <cstring>

using namespace troupe;
using namespace troupe::test;

namespace {

checkpoint sample(const parameter_layout& layout, std::uint64_t step = 42) {
  checkpoint c;
  c.step = step;
  c.parameters = random_blocks(layout, 1, false);
  c.slots = {random_blocks(layout, 2, true), random_blocks(layout, 3, true)};
  c.job = {{"model", "small"}, {"note", "\"digest\":\"0123456789abcdef\" \n"}};
  return c;
}

} // namespace

TEST_CASE("a checkpoint comes back bit by bit") {
  const scratch_folder folder;
  const parameter_layout layout = small_layout();
  const checkpoint c = sample(layout);
  write_checkpoint(folder.file("c"), layout, c);
  const checkpoint back = read_checkpoint(folder.file("c"), layout);
  CHECK(back.step == 42);
  CHECK(back.job == c.job);
  CHECK(same_bits(back.parameters, c.parameters));
  REQUIRE(back.slots.size() == 2);
  CHECK(same_bits(back.slots[0], c.slots[0]));
  CHECK(same_bits(back.slots[1], c.slots[1]));
  CHECK(checkpoint_bytes(layout, back) == read_file(folder.file("c")));
}

TEST_CASE("what islands have is in a checkpoint, within a round their parameters, too") {
  const parameter_layout layout = small_layout();
  for (const bool in_round : {false, true}) {
    checkpoint c = sample(layout);
    c.islands.resize(2);
    for (std::uint32_t w = 0; w < 2; ++w) {
      c.islands[w].slots = {random_blocks(layout, 10 + w, true)};
      if (in_round) c.islands[w].parameters = random_blocks(layout, 20 + w, false);
    }
    const std::string bytes = checkpoint_bytes(layout, c);
    const checkpoint back = parse_checkpoint(bytes, "c", layout);
    CHECK(same_bits(back.parameters, c.parameters));
    REQUIRE(back.islands.size() == 2);
    for (std::size_t w = 0; w < 2; ++w) {
      CHECK(same_bits(back.islands[w].parameters, c.islands[w].parameters));
      REQUIRE(back.islands[w].slots.size() == 1);
      CHECK(same_bits(back.islands[w].slots[0], c.islands[w].slots[0]));
    }
    const tensor_file file = parse_safetensors(bytes, "c");
    CHECK(file.find("island.2.optimizer.0.3.weight") != nullptr);
    CHECK((file.find("island.1.1.running_mean") != nullptr) == in_round);
    const scratch_folder folder;
    write_checkpoint(folder.file("c"), layout, c);
    CHECK(same_bits(load_weights(folder.file("c"), layout), c.parameters));
  }
}

TEST_CASE("its file holds plain values under PyTorch's names") {
  const parameter_layout layout = small_layout();
  const checkpoint c = sample(layout);
  const tensor_file file = parse_safetensors(checkpoint_bytes(layout, c), "c");
  CHECK(file.metadata.at("format") == "troupe checkpoint 1");
  CHECK(file.metadata.at("step") == "42");
  const stored_tensor* weight = file.find("0.weight");
  REQUIRE(weight != nullptr);
  CHECK(weight->dims == std::vector<std::int64_t>{2, 1, 3, 3});
  CHECK(weight->values.front() == c.parameters[0].data()[17]); // packed in reverse
  REQUIRE(file.find("1.num_batches_tracked") != nullptr);
  CHECK(file.find("1.num_batches_tracked")->integers == std::vector<std::int64_t>{42});
  CHECK(file.find("1.num_batches_tracked")->dims.empty());
  CHECK(file.find("optimizer.1.3.weight") != nullptr);
  CHECK(file.find("optimizer.0.1.running_mean") == nullptr);
}

TEST_CASE("any flipped bit and any truncation of a checkpoint is an error") {
  const parameter_layout layout = small_layout();
  const std::string whole = checkpoint_bytes(layout, sample(layout));
  for (std::size_t at = 0; at < whole.size(); at += 97) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string bytes = whole;
      bytes[at] = static_cast<char>(bytes[at] ^ 1 << bit);
      INFO("bit ", bit, " of byte ", at);
      CHECK(error_of([&] { parse_checkpoint(bytes, "c", layout); }) != "");
    }
    INFO("cut at byte ", at);
    CHECK(error_of([&] { parse_checkpoint(whole.substr(0, at), "c", layout); }) != "");
  }
  // The header is small and dense with meaning: every byte of it.
  std::uint64_t header = 0;
  std::memcpy(&header, whole.data(), 8);
  for (std::size_t at = 0; at < header + 8; ++at) {
    std::string bytes = whole;
    bytes[at] = static_cast<char>(bytes[at] ^ 1);
    INFO("byte ", at);
    CHECK(error_of([&] { parse_checkpoint(bytes, "c", layout); }) != "");
  }
  std::string bytes = whole;
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  CHECK_ERROR(parse_checkpoint(bytes, "c", layout), "c is not a valid checkpoint");
  CHECK_ERROR(parse_checkpoint(bytes, "c", layout), "its digest is ");
}

TEST_CASE("weights alone are no checkpoint, but a checkpoint has weights") {
  const scratch_folder folder;
  const parameter_layout layout = small_layout();
  const checkpoint c = sample(layout);
  save_weights(folder.file("w"), layout, c.parameters, 7);
  CHECK(same_bits(load_weights(folder.file("w"), layout), c.parameters));
  CHECK_ERROR(read_checkpoint(folder.file("w"), layout), "troupe checkpoint 1");
  write_checkpoint(folder.file("c"), layout, c);
  CHECK(same_bits(load_weights(folder.file("c"), layout), c.parameters));
}

TEST_CASE("weights of another model are refused with everything that differs") {
  const scratch_folder folder;
  const parameter_layout layout = small_layout();
  tensor_file file = parse_safetensors(checkpoint_bytes(layout, sample(layout)), "c");
  file.metadata.clear();
  std::erase_if(file.tensors, [](const stored_tensor& t) {
    return t.name == "0.bias" || t.name.starts_with("optimizer.");
  });
  for (stored_tensor& t : file.tensors) {
    if (t.name == "3.weight") t.dims = {8, 3};
    if (t.name == "3.bias") t.name = "fc.bias";
  }
  write_safetensors(folder.file("w"), file);
  const std::string text = error_of([&] { load_weights(folder.file("w"), layout); });
  CHECK(contains(text, "does not fit the model"));
  CHECK(contains(text, "missing: 0.bias [2]"));
  CHECK(contains(text, "missing: 3.bias [3]"));
  CHECK(contains(text, "unexpected: fc.bias [3]"));
  CHECK(contains(text, "3.weight is [8, 3], the model has [3, 8]"));
}

TEST_CASE("a checkpoint of another optimizer or model is refused") {
  parameter_layout layout = small_layout();
  const std::string bytes = checkpoint_bytes(layout, sample(layout));
  layout.specs[7].name = "4.bias";
  CHECK_ERROR(parse_checkpoint(bytes, "c", layout), "missing: optimizer.1.4.bias [3]");
  CHECK_ERROR(parse_checkpoint(bytes, "c", layout), "unexpected: 3.bias [3]");
}

TEST_CASE("the newest valid checkpoint is found and the invalid ones are named") {
  const scratch_folder folder;
  const parameter_layout layout = small_layout();
  std::vector<std::string> skipped;
  CHECK_ERROR(newest_checkpoint(folder.path(), skipped), "no valid checkpoint in " + folder.path());
  CHECK_ERROR(newest_checkpoint(folder.file("none"), skipped), "No such file or directory");
  for (const std::uint64_t step : {9, 10, 100})
    write_checkpoint(
        folder.file("step-" + std::to_string(step) + ".safetensors"), layout, sample(layout, step));
  folder.write("step-101.safetensors.tmp", "half");
  folder.write("step-x.safetensors", "other");
  CHECK(newest_checkpoint(folder.path(), skipped) == folder.file("step-100.safetensors"));
  CHECK(skipped.empty());

  const std::string newest = read_file(folder.file("step-100.safetensors"));
  folder.write("step-100.safetensors", newest.substr(0, newest.size() / 2));
  folder.write("step-99.safetensors", newest); // another step than its name says
  CHECK(newest_checkpoint(folder.path(), skipped) == folder.file("step-10.safetensors"));
  REQUIRE(skipped.size() == 2);
  CHECK(contains(skipped[0], "step-100.safetensors: "));
  CHECK(contains(skipped[1], "another step"));
}
