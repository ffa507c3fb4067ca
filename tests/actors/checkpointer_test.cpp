#include "actors/checkpointer.hpp"

#include "support/fake_context.hpp"
#include "support/scratch_folder.hpp"
#include "support/small_layout.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

using namespace troupe;

namespace {

const address director{.role = role_kind::director};
const address holders[] = {{.role = role_kind::parameter_holder},
                           {.role = role_kind::parameter_holder, .replica = 1}};

struct fixture {
  std::shared_ptr<const parameter_layout> layout =
      std::make_shared<const parameter_layout>(test::small_layout());
  test::scratch_folder folder;
  test::fake_context world{{.role = role_kind::checkpointer}};
  checkpointer keeper{
      world,
      {.layout = layout, .holders = {holders[0], holders[1]}, .job = {{"seed", "1"}}, .kept = 2}};

  protocol::state state(std::uint64_t request, int block) const {
    return {request,
            12,
            block,
            test::random_blocks(*layout, 1, false)[static_cast<std::size_t>(block)],
            {test::random_blocks(*layout, 2, true)[static_cast<std::size_t>(block)]}};
  }

  void finish() {
    while (!world.computations.empty())
      for (const auto& m : world.run_one())
        keeper.receive(m);
  }

  void save(std::uint64_t request, const std::string& path) {
    keeper.on(protocol::save{request, path, 12});
    keeper.on(state(request, 1));
    keeper.on(state(request, 0));
    finish();
  }
};

} // namespace

TEST_CASE("a checkpointer asks every holder, waits for all blocks and writes what can be read") {
  fixture f;
  const auto path = f.folder.file("step-00000012.safetensors");
  f.keeper.on(protocol::save{1, path, 12});
  CHECK(f.world.of<protocol::want_state>().size() == 2);
  f.keeper.on(f.state(1, 1));
  f.keeper.on(f.state(1, 1)); // twice
  f.keeper.on(f.state(7, 0)); // of another request
  CHECK(f.world.computations.empty());
  f.keeper.on(f.state(1, 0));
  f.finish();
  const auto saved = f.world.of<protocol::saved>();
  REQUIRE(saved.size() == 1);
  CHECK(saved[0].problem.empty());
  const auto read = read_checkpoint(path, *f.layout);
  CHECK(read.step == 12);
  CHECK(read.job.at("seed") == "1");
  REQUIRE(read.parameters.size() == 2);
  CHECK(read.parameters[1].values()[0] == f.state(1, 1).parameters.values()[0]);
  REQUIRE(read.slots.size() == 1);
}

TEST_CASE("a save that is asked for twice is written once") {
  fixture f;
  const auto path = f.folder.file("step-00000012.safetensors");
  f.keeper.on(protocol::save{1, path, 12});
  f.keeper.on(protocol::save{1, path, 12});
  CHECK(f.world.of<protocol::want_state>().size() == 2);
}

TEST_CASE("only the newest checkpoints are kept, other files stay") {
  fixture f;
  std::ofstream(f.folder.file("notes.txt")) << "mine";
  for (int step = 1; step <= 4; ++step)
    f.save(static_cast<std::uint64_t>(step),
           f.folder.file("step-0000000" + std::to_string(step) + ".safetensors"));
  CHECK(!std::filesystem::exists(f.folder.file("step-00000002.safetensors")));
  CHECK(std::filesystem::exists(f.folder.file("step-00000003.safetensors")));
  CHECK(std::filesystem::exists(f.folder.file("step-00000004.safetensors")));
  CHECK(std::filesystem::exists(f.folder.file("notes.txt")));
}

TEST_CASE("where nothing can be written the director hears why, and has the state all the same") {
  fixture f;
  std::ofstream(f.folder.file("file")) << "not a folder";
  f.save(1, f.folder.file("file") + "/step-00000012.safetensors");
  const auto saved = f.world.of<protocol::saved>();
  REQUIRE(saved.size() == 1);
  CHECK(saved[0].problem.find("file/step-00000012") != std::string::npos);
  CHECK(saved[0].problem.find("Not a directory") != std::string::npos);
  CHECK(saved[0].content->parameters.size() == 2);
}

TEST_CASE("what comes late of a save, or twice, does not end the next one") {
  fixture f;
  f.keeper.on(protocol::save{1, ""});
  for (int times = 0; times < 2; ++times)
    for (const int block : {0, 1})
      f.keeper.on(f.state(1, block));
  f.keeper.receive(f.world.run_one().front());
  f.keeper.on(protocol::save{2, ""});
  f.keeper.receive(f.world.run_one().front()); // of the first, late
  f.keeper.on(protocol::save{1, ""});          // a late copy
  for (const int block : {0, 1})
    f.keeper.on(f.state(2, block));
  f.finish();
  CHECK(f.world.of<protocol::saved>().back().request == 2);
}
