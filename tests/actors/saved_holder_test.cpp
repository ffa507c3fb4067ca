#include "actors/parameter_holder.hpp"
#include "ops/files/atomic_file.hpp"
#include "ops/files/checkpoint.hpp"
#include "ops/files/sharded_checkpoint.hpp"
#include "support/error_of.hpp"
#include "support/fake_context.hpp"
#include "support/same_bits.hpp"
#include "support/scratch_folder.hpp"
#include "support/small_layout.hpp"

#include <doctest/doctest.h>

#include <optional>

using namespace troupe;
using namespace troupe::test;

namespace {

const address me{.role = role_kind::parameter_holder};
const address saving{.role = role_kind::checkpointer};

struct fixture {
  explicit fixture(std::uint64_t save_every, incarnation life = 1)
      : world(me, life), holder(world, options(save_every)) {}

  parameter_holder_options options(std::uint64_t save_every) const {
    parameter_holder_options out{.layout = layout,
                                 .rule = adamw{},
                                 .rate = {.base = 0.5F},
                                 .total_steps = 10,
                                 .microbatches = 2,
                                 .readers = {{}, {}}};
    for (int b = 0; b < 2; ++b)
      out.blocks.push_back({.block = b, .parameters = start[static_cast<std::size_t>(b)]});
    out.save_every = save_every;
    return out;
  }

  // But what is written.
  void step(std::uint64_t number) {
    for (int block = 0; block < 2; ++block) {
      holder.on(protocol::reduced_gradient{
          number, block, gradients[static_cast<std::size_t>(block)], {}});
      update();
    }
  }

  void update() {
    for (const auto& m : run_newest())
      holder.receive(m);
  }

  std::vector<message> run_newest() {
    world.computations.push_front(std::move(world.computations.back()));
    world.computations.pop_back();
    return world.run_one();
  }

  void ask(std::uint64_t version, std::uint64_t request = 1) {
    holder.on(protocol::want_shard{request, saving, version, folder_of(version)});
  }

  std::string folder_of(std::uint64_t version) const {
    const auto out = folder.file("step-" + std::to_string(version));
    std::filesystem::create_directories(out);
    return out;
  }

  void write() {
    REQUIRE(world.computations.size() == 1);
    for (const auto& m : world.run_one())
      holder.receive(m);
  }

  protocol::shard_written answer() const { return world.of<protocol::shard_written>().back(); }

  std::size_t answers() const { return world.of<protocol::shard_written>().size(); }

  // What its shard alone is a checkpoint of.
  checkpoint saved() const {
    const auto a = answer();
    REQUIRE(a.problem == "");
    const auto step = std::stoull(a.folder.substr(a.folder.rfind('-') + 1));
    const checkpoint_manifest m{.step = step, .slots = 2, .job = {}, .shards = {a.file}};
    write_file_atomically(a.folder + "/checkpoint.json", manifest_text(m));
    return read_checkpoint(a.folder, *layout);
  }

  std::shared_ptr<const parameter_layout> layout =
      std::make_shared<const parameter_layout>(small_layout());
  std::vector<tensor> start = random_blocks(*layout, 1, false);
  std::vector<tensor> gradients = random_blocks(*layout, 2, false);
  scratch_folder folder;
  fake_context world;
  parameter_holder holder;
};

// Of a holder that has stood still there.
checkpoint state_at(std::uint64_t version) {
  fixture f(0);
  for (std::uint64_t s = 0; s < version; ++s)
    f.step(s);
  f.ask(version);
  f.write();
  return f.saved();
}

void check_same(const checkpoint& a, const checkpoint& b) {
  CHECK(a.step == b.step);
  for (std::size_t k = 0; k < 2; ++k) {
    CHECK(same_bits(a.parameters[k], b.parameters[k]));
    CHECK(same_bits(a.slots[k][0], b.slots[k][0]));
    CHECK(same_bits(a.slots[k][1], b.slots[k][1]));
  }
}

} // namespace

TEST_CASE("what is saved is a version as it was, though the holder has gone on") {
  const auto expected = state_at(2), later = state_at(4);
  CHECK_FALSE(same_bits(expected.slots[0][0], later.slots[0][0]));
  fixture f(2);
  for (std::uint64_t s = 0; s < 2; ++s)
    f.step(s);
  SUBCASE("asked when it has gone on") {
    f.step(2);
    f.ask(2);
  }
  SUBCASE("goes on while it is written") {
    f.ask(2);
    f.step(2);
  }
  f.step(3); // the next one that is saved: nobody has asked for it yet
  f.write();
  check_same(f.saved(), expected);
  f.ask(4, 2);
  f.write();
  check_same(f.saved(), later);
}

TEST_CASE("saving changes no bit of what follows") {
  fixture calm(0), saved(1);
  for (std::uint64_t s = 0; s < 5; ++s) {
    calm.step(s);
    saved.step(s);
    if (s % 2 == 1) continue; // who is slow to ask
    saved.ask(s + 1, s + 1);
    saved.write();
  }
  const auto a = calm.world.of<protocol::committed>(), b = saved.world.of<protocol::committed>();
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i)
    CHECK(a[i].digest == b[i].digest);
}

TEST_CASE("who asks twice is answered twice, by what was written once") {
  fixture f(1);
  f.step(0);
  f.ask(1);
  f.ask(1, 2); // a new director, while it is written
  f.write();
  CHECK(f.answers() == 1);
  f.ask(1, 3); // a new checkpointer, after that
  f.write();   // looks whether it is still there
  CHECK(f.answers() == 2);
  CHECK(f.answer().problem == "");
  std::filesystem::remove(f.folder_of(1) + "/" + f.answer().file.name);
  f.ask(1, 4);
  f.write();
  CHECK(contains(f.answer().problem, "was removed when the checkpoint was given up"));
  f.ask(1, 2); // late
  CHECK(f.world.computations.empty());
  CHECK(f.answers() == 3);
}

TEST_CASE(
    "a holder that has gone on from what it is asked for says so, and one that is behind waits") {
  fixture f(0); // of a job that was not known to be saved here
  f.step(0);
  f.step(1);
  f.ask(1);
  CHECK(f.world.computations.empty());
  REQUIRE(f.answers() == 1);
  CHECK(contains(f.answer().problem, "parameter_holder/0 was restarted"));
  f.ask(3, 2);
  CHECK(f.answers() == 1);
  f.step(2);
  f.write();
  check_same(f.saved(), state_at(3));
}

TEST_CASE("a shard that cannot be written is told with the reason, and may be asked for again") {
  fixture f(1);
  f.step(0);
  f.holder.on(protocol::want_shard{1, saving, 1, f.folder.file("nowhere")});
  f.write();
  CHECK(contains(f.answer().problem, "No such file or directory"));
  CHECK(f.answer().file.name.empty());
  f.ask(1, 2);
  f.write();
  check_same(f.saved(), state_at(1));
}

TEST_CASE("a holder of nothing has nothing to write") {
  fixture f(1);
  fake_context world{me};
  auto options = f.options(1);
  options.blocks.clear();
  parameter_holder idle(world, options);
  idle.on(protocol::want_shard{1, saving, 1, f.folder_of(1)});
  CHECK(world.computations.empty());
  REQUIRE(world.of<protocol::shard_written>().size() == 1);
  CHECK(world.of<protocol::shard_written>()[0].file.name.empty());
  CHECK(world.of<protocol::shard_written>()[0].problem.empty());
}

TEST_CASE("a holder keeps the state of what is saved and of nothing else") {
  fixture f(1);
  const auto& pool = buffer_pool::global();
  std::optional<std::uint64_t> before;
  for (std::uint64_t s = 0; s < 12; ++s) {
    f.step(s);
    f.ask(s + 1, s + 1);
    f.write();
    if (s == 5) before = pool.allocations();
  }
  CHECK(pool.allocations() == *before);
}
