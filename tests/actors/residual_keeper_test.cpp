#include "actors/residual_keeper.hpp"

#include "ops/files/safetensors.hpp"
#include "support/fake_context.hpp"
#include "support/scratch_folder.hpp"
#include "support/small_layout.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <utility>
#include <vector>

using namespace troupe;

namespace {

// Of two blocks, of the node that begins with microbatch 0: the second one.
struct saving {
  explicit saving(std::uint64_t save_every)
      : keeper(world,
               {.start = {{4, 0, 0, value(0)}, {4, 1, 0, value(0)}},
                .layout = layout,
                .nodes = {2, 0},
                .save_every = save_every}) {}

  static tensor value(float x) { return make_tensor({128}, std::vector<float>(128, x)); }

  void ask(std::uint64_t version, std::uint64_t request = 1) {
    keeper.on(
        protocol::want_shard{request, {.role = role_kind::checkpointer}, version, folder.path()});
  }

  void write() {
    REQUIRE(world.computations.size() == 1);
    for (const auto& m : world.run_one())
      keeper.receive(m);
  }

  protocol::shard_written answer() const { return world.of<protocol::shard_written>().back(); }

  tensor_file shard() const { return read_safetensors(folder.file(answer().file.name)); }

  std::shared_ptr<const parameter_layout> layout =
      std::make_shared<const parameter_layout>(test::small_layout());
  test::scratch_folder folder;
  test::fake_context world{{.role = role_kind::residual_keeper}};
  residual_keeper keeper;
};

} // namespace

TEST_CASE("a keeper tells a shard the residuals of its step, also those that come late") {
  const address shard{.role = role_kind::layer_shard};
  const auto value = make_tensor({1}, std::vector<float>{1});
  test::fake_context world{{.role = role_kind::residual_keeper}};
  residual_keeper keeper(world, {.start = {{0, 0, 0, value}, {0, 0, 1, value}}});
  const auto told = [&] {
    std::vector<std::pair<std::uint64_t, std::uint32_t>> out; // step, first microbatch
    for (const auto& m : world.of<protocol::residual>())
      out.emplace_back(m.step, m.first_microbatch);
    return out;
  };
  keeper.on(protocol::residual{1, 0, 0, value}); // of a shard that dies
  keeper.on(protocol::want_residuals{shard, 1});
  CHECK(told() == std::vector<std::pair<std::uint64_t, std::uint32_t>>{{1, 0}});
  keeper.on(protocol::want_residuals{shard, 0}); // of one that died before
  keeper.on(protocol::residual{1, 0, 1, value});
  CHECK(told() == std::vector<std::pair<std::uint64_t, std::uint32_t>>{{1, 0}, {1, 1}});
  keeper.on(protocol::residual{2, 0, 0, value}); // training goes on
  CHECK(told().size() == 2);
}

TEST_CASE("that residuals are lost is told to a new director, too, until they come after all") {
  const address shard{.role = role_kind::layer_shard}, director{.role = role_kind::director};
  const auto value = make_tensor({1}, std::vector<float>{1});
  test::fake_context world({.role = role_kind::residual_keeper}, 2);
  residual_keeper keeper(world, {.director = director, .start = {{0, 0, 0, value}}});
  const auto told = [&] { return world.of<protocol::state_lost>().size(); };
  keeper.on(protocol::want_residuals{shard, 1});
  keeper.on(protocol::restarted{.who = director});
  CHECK(told() == 0); // the shard may have them
  keeper.on(protocol::want_residuals{shard, 1});
  CHECK(told() == 1);
  keeper.on(protocol::restarted{.who = director});
  CHECK(told() == 2);
  keeper.on(protocol::residual{1, 0, 0, value});
  keeper.on(protocol::restarted{.who = director});
  CHECK(told() == 2);
}

TEST_CASE(
    "a keeper writes the residuals of a version when all have come, also those that come late") {
  saving f(0);
  f.keeper.on(protocol::residual{6, 0, 0, f.value(1)});
  f.ask(6);
  CHECK(f.world.computations.empty());
  f.keeper.on(protocol::residual{5, 0, 0, f.value(2)}); // later still than what it was overtaken by
  f.keeper.on(protocol::residual{5, 1, 0, f.value(3)});
  CHECK(f.world.computations.empty());
  f.keeper.on(protocol::residual{6, 1, 0, f.value(4)});
  f.write();
  const auto shard = f.shard();
  REQUIRE(shard.find("residual.1.0.weight") != nullptr);
  CHECK(shard.find("residual.1.0.weight")->values[0] == 1);
  CHECK(shard.find("residual.1.3.weight")->values[0] == 4);
  CHECK(shard.metadata.at("step") == "6");
}

TEST_CASE("a keeper keeps the residuals of a version that is to be saved until they are written") {
  for (const std::uint64_t every : {3, 0}) {
    saving f(every);
    for (std::uint64_t step = 5; step < 20; ++step)
      for (const int block : {0, 1})
        f.keeper.on(protocol::residual{step, block, 0, f.value(static_cast<float>(step))});
    f.ask(6);
    if (every == 0) {
      CHECK(f.world.computations.empty());
      CHECK(f.answer().problem.find("later steps alone") != std::string::npos);
      continue;
    }
    f.write();
    CHECK(f.shard().find("residual.1.0.weight")->values[0] == 6);
    f.ask(6, 2); // written: it is looked at, and not written again
    f.write();
    CHECK(f.answer().problem.empty());
    f.ask(9, 3);
    f.write();
    CHECK(f.shard().find("residual.1.0.weight")->values[0] == 9);
  }
}
