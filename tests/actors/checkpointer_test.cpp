#include "actors/checkpointer.hpp"

#include "ops/files/sharded_checkpoint.hpp"
#include "support/error_of.hpp"
#include "support/fake_context.hpp"
#include "support/scratch_folder.hpp"
#include "support/written_shards.hpp"

#include <doctest/doctest.h>

#include <filesystem>

using namespace troupe;
using namespace troupe::test;

namespace {

const address writers[] = {{.role = role_kind::parameter_holder},
                           {.role = role_kind::parameter_holder, .replica = 1},
                           {.role = role_kind::residual_keeper}};

struct fixture {
  scratch_folder folder;
  fake_context world{{.role = role_kind::checkpointer}};
  checkpointer saving{world,
                      {.blocks = 2,
                       .writers = {writers[0], writers[1], writers[2]},
                       .holders = {writers[0], writers[1]},
                       .manifest = {.slots = 1, .job = {{"seed", "1"}}, .shards = {}},
                       .rounds = {},
                       .kept = 2}};

  std::string path(std::uint64_t step) const { return folder.file("step-" + std::to_string(step)); }

  void run() {
    while (!world.computations.empty())
      for (const auto& m : world.run_one())
        saving.receive(m);
  }

  void ask(std::uint64_t request, std::uint64_t step) {
    saving.on(protocol::save{request, path(step), step});
    run();
  }

  void write(const address& who, std::uint64_t step, const std::string& bytes = "floats") {
    saving.on(protocol::shard_written{
        path(step), who, write_bytes(path(step), "w" + std::to_string(who.replica), bytes), ""});
  }

  // No shard: there is nothing, or a problem.
  void answer(const address& who, std::uint64_t step, const std::string& problem = "") {
    protocol::shard_written m;
    m.folder = path(step);
    m.writer = who;
    m.problem = problem;
    saving.on(m);
  }

  void write_all(std::uint64_t step) {
    write(writers[0], step, "first of " + std::to_string(step));
    write(writers[1], step, "second of " + std::to_string(step));
    answer(writers[2], step); // has nothing
    run();
  }

  bool is_whole(std::uint64_t step) const {
    return std::filesystem::exists(path(step) + "/checkpoint.json");
  }

  std::vector<protocol::saved> saved() const { return world.of<protocol::saved>(); }
};

} // namespace

TEST_CASE(
    "a checkpointer asks all writers and writes the manifest when the last one has answered") {
  fixture f;
  f.ask(1, 12);
  CHECK(f.world.of<protocol::want_shard>().size() == 3);
  CHECK(f.world.of<protocol::want_shard>()[0].folder == f.path(12));
  f.write(writers[0], 12);
  f.write(writers[0], 12);  // twice
  f.answer(writers[1], 11); // of another save
  f.answer(writers[2], 12);
  f.run();
  CHECK_FALSE(f.is_whole(12));
  f.write(writers[1], 12, "others");
  f.run();
  REQUIRE(f.saved().size() == 1);
  CHECK(f.saved()[0].request == 1);
  CHECK(f.saved()[0].problem.empty());
  const auto m = verified_manifest(f.path(12) + "/checkpoint.json");
  CHECK(m.step == 12);
  CHECK(m.job.at("seed") == "1");
  CHECK(m.shards.size() == 2);
}

TEST_CASE(
    "a checkpointer that is asked again by a new director answers that one, and writes once") {
  fixture f;
  f.ask(1, 12);
  f.ask(7, 12); // while shards are written
  CHECK(f.world.of<protocol::want_shard>().size() == 3);
  f.write_all(12);
  f.ask(3, 11); // of a director before, late
  f.ask(8, 12); // after that
  REQUIRE(f.saved().size() == 2);
  CHECK(f.saved()[0].request == 7);
  CHECK(f.saved()[1].request == 8);
  CHECK(f.world.of<protocol::want_shard>().size() == 3);
}

TEST_CASE("a writer that is restarted is asked again while shards are missing") {
  fixture f;
  f.saving.on(protocol::restarted{.who = writers[1], .life = 2}); // nothing is saved
  f.ask(1, 12);
  f.saving.on(protocol::restarted{.who = writers[1], .life = 3});
  f.saving.on(protocol::restarted{.who = {.role = role_kind::layer_shard}, .life = 2});
  CHECK(f.world.of<protocol::want_shard>().size() == 4);
  f.write_all(12);
  f.saving.on(protocol::restarted{.who = writers[1], .life = 4});
  CHECK(f.world.of<protocol::want_shard>().size() == 4);
}

TEST_CASE("only the newest checkpoints are kept") {
  fixture f;
  for (std::uint64_t step = 1; step <= 4; ++step) {
    f.ask(step, step);
    f.write_all(step);
  }
  CHECK_FALSE(std::filesystem::exists(f.path(2)));
  CHECK(f.is_whole(3));
  CHECK(f.is_whole(4));
}

TEST_CASE(
    "where a shard cannot be written nothing of the checkpoint is left, and the others stay") {
  fixture f;
  f.ask(1, 1);
  f.write_all(1);
  f.ask(2, 2);
  f.write(writers[0], 2);
  f.answer(writers[1], 2, "No space left on device");
  CHECK(f.world.computations.empty()); // one is still writing
  f.answer(writers[2], 2);
  f.run();
  REQUIRE(f.saved().size() == 2);
  CHECK(contains(f.saved()[1].problem, "No space left on device"));
  CHECK_FALSE(std::filesystem::exists(f.path(2)));
  CHECK(f.is_whole(1));
}

TEST_CASE("where the folder cannot be made nobody is asked, and the director hears why") {
  fixture f;
  f.folder.write("step-12", "not a folder");
  f.ask(1, 12);
  CHECK(f.world.of<protocol::want_shard>().empty());
  REQUIRE(f.saved().size() == 1);
  CHECK(contains(f.saved()[0].problem, "step-12"));
}

TEST_CASE("a shard that the checkpointer cannot see is no part of a checkpoint") {
  fixture f;
  f.ask(1, 12);
  f.write(writers[0], 12);
  f.saving.on(protocol::shard_written{f.path(12), writers[1], {"elsewhere.safetensors", 5, 6}, ""});
  f.answer(writers[2], 12);
  f.run();
  REQUIRE(f.saved().size() == 1);
  CHECK(contains(f.saved()[0].problem, "a file system that they share"));
  CHECK_FALSE(f.is_whole(12));
}

TEST_CASE("at the end of a job its parameters are collected, with a checkpoint or without") {
  fixture f;
  const auto one = make_tensor({1}, std::vector<float>{1}),
             two = make_tensor({1}, std::vector<float>{2});
  f.saving.on(protocol::save{1, f.path(12), 12, true});
  f.run();
  f.saving.on(protocol::state{1, 12, 0, one}); // nobody has asked
  f.write_all(12);
  CHECK(f.is_whole(12));
  CHECK(f.saved().empty());
  CHECK(f.world.of<protocol::want_state>().size() == 2);
  f.saving.on(protocol::restarted{.who = writers[1], .life = 2});
  CHECK(f.world.of<protocol::want_state>().size() == 3);
  f.saving.on(protocol::state{1, 12, 1, two});
  f.saving.on(protocol::state{1, 12, 1, two}); // twice
  f.saving.on(protocol::state{1, 11, 0, two}); // of another version
  CHECK(f.saved().empty());
  f.saving.on(protocol::state{1, 12, 0, one});
  REQUIRE(f.saved().size() == 1);
  REQUIRE(f.saved()[0].parameters.size() == 2);
  CHECK(f.saved()[0].parameters[0].values()[0] == 1);

  fixture without;
  without.saving.on(protocol::save{1, "", 12, true});
  CHECK(without.world.computations.empty());
  for (const int block : {0, 1})
    without.saving.on(protocol::state{1, 12, block, one});
  CHECK(without.saved().size() == 1);
}
