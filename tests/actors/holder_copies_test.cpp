// Copies of a parameter holder, message by message.
#include "actors/holder_copies.hpp"

#include "actors/parameter_holder.hpp"
#include "support/fake_context.hpp"
#include "support/small_layout.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

using namespace troupe;

namespace {

const address director{.role = role_kind::director}, shard{.role = role_kind::layer_shard};

address holder(std::uint16_t copy) {
  return {.role = role_kind::parameter_holder, .stage = copy};
}

// Three copies of a holder of two blocks. What they say to each other waits until it is told.
struct fixture {
  struct player {
    player(const address& who, incarnation life, const parameter_holder_options& o)
        : world(who, life), role(world, o) {
      role.started();
    }

    test::fake_context world;
    parameter_holder role;
    std::size_t told = 0; // of what it has sent
  };

  std::shared_ptr<const parameter_layout> layout =
      std::make_shared<const parameter_layout>(test::small_layout());
  std::vector<tensor> start = test::random_blocks(*layout, 1, false);
  std::map<address, std::unique_ptr<player>> players;
  std::map<address, incarnation> lives;

  fixture() {
    for (std::uint16_t c = 0; c < 3; ++c)
      begin(holder(c));
  }

  [[nodiscard]] parameter_holder_options options() const {
    parameter_holder_options out{.layout = layout,
                                 .rule = sgd{.momentum = 0.9F},
                                 .rate = {.base = 0.5F},
                                 .total_steps = 10,
                                 .microbatches = 2,
                                 .readers = {{shard}, {shard}},
                                 .director = director,
                                 .copies = {holder(0), holder(1), holder(2)}};
    for (std::size_t b = 0; b < start.size(); ++b)
      out.blocks.push_back({.block = static_cast<int>(b), .parameters = start[b]});
    return out;
  }

  void begin(const address& who) {
    players[who] = std::make_unique<player>(who, ++lives[who], options());
  }

  player& at(std::uint16_t copy) { return *players.at(holder(copy)); }

  protocol::reduced_gradient gradient(std::uint64_t step, int block) const {
    const auto seed = static_cast<std::uint32_t>(10 + step);
    return {step, block, test::random_blocks(*layout, seed, false)[std::size_t(block)], {}};
  }

  static void compute(player& p) {
    while (!p.world.computations.empty())
      for (const auto& m : p.world.run_one())
        p.role.receive(m);
  }

  // What one has said to another so far.
  void tell(std::uint16_t from, std::uint16_t to) {
    auto& p = at(from);
    const auto sent = p.world.sent;
    for (std::size_t i = p.told; i < sent.size(); ++i)
      if (sent[i].to == holder(to)) at(to).role.receive(sent[i].content);
    compute(at(to));
  }

  void mark_told(std::uint16_t from) { at(from).told = at(from).world.sent.size(); }

  // Everybody says everything to everybody, until nobody has more to say.
  void talk() {
    for (bool more = true; more;) {
      more = false;
      for (std::uint16_t from = 0; from < 3; ++from) {
        auto& p = at(from);
        compute(p);
        for (; p.told < p.world.sent.size(); ++p.told) {
          const auto [to, content] = p.world.sent[p.told];
          if (!players.contains(to)) continue;
          players.at(to)->role.receive(content);
          more = true;
        }
      }
    }
  }

  void step(std::uint64_t number) {
    for (int block = 0; block < 2; ++block)
      at(0).role.receive(gradient(number, block));
    talk();
  }

  // That the director was told last of a block.
  std::uint64_t digest(int block) {
    std::uint64_t out = 0;
    for (const auto& m : at(0).world.of<protocol::committed>())
      if (m.block == block) out = m.digest;
    return out;
  }
};

} // namespace

TEST_CASE("what an update makes is said when all copies keep what makes it") {
  fixture f;
  f.at(0).role.receive(f.gradient(0, 0));
  f.compute(f.at(0));
  const auto& sent = f.at(0).world;
  CHECK(sent.of<protocol::log_entry>().size() == 2); // one for each copy
  CHECK(sent.of<protocol::committed>().empty());
  f.tell(0, 1);
  f.tell(1, 0);
  CHECK(sent.of<protocol::parameters>().empty());
  f.tell(0, 2);
  f.tell(2, 0);
  CHECK(sent.of<protocol::committed>().size() == 1);
  REQUIRE(sent.of<protocol::parameters>().size() == 1);
  CHECK(sent.of<protocol::parameters>()[0].version == 1);
}

TEST_CASE("copies keep what they are told, and say nothing to others") {
  fixture f;
  for (std::uint64_t s = 0; s < 3; ++s)
    f.step(s);
  CHECK(f.at(0).world.of<protocol::committed>().size() == 6);
  for (std::uint16_t c = 1; c < 3; ++c)
    for (const auto& m : f.at(c).world.sent) {
      CHECK(m.to == holder(0));
      CHECK(std::holds_alternative<protocol::log_kept>(m.content));
    }
}

TEST_CASE("whoever is restarted, and in which order, goes on with the same bits") {
  fixture calm;
  for (std::uint64_t s = 0; s < 5; ++s)
    calm.step(s);
  const std::vector<std::vector<std::uint16_t>> deaths = {
      {0}, {1}, {0, 1}, {1, 0}, {0, 2}, {2, 1}, {0, 0, 1}};
  for (const auto& dead : deaths) {
    fixture f;
    for (std::uint64_t s = 0; s < 5; ++s) {
      if (s == 2 || s == 3) {
        for (const auto c : dead)
          f.begin(holder(c));
        f.talk();
      }
      f.step(s);
    }
    CHECK(f.digest(0) == calm.digest(0));
    CHECK(f.digest(1) == calm.digest(1));
  }
}

TEST_CASE("a head begins with what the furthest copy has, and gives it to the others") {
  fixture f;
  f.step(0);
  f.at(0).role.receive(f.gradient(1, 0));
  f.tell(0, 2); // the other copy hears nothing of it
  f.begin(holder(0));
  f.talk();
  const auto said = f.at(0).world.of<protocol::parameters>();
  CHECK(std::any_of(
      said.begin(), said.end(), [](const auto& m) { return m.block == 0 && m.version == 2; }));
  CHECK(f.at(1).world.of<protocol::log_kept>().back().index == 3);
  fixture calm;
  for (std::uint64_t s = 0; s < 3; ++s)
    calm.step(s);
  f.step(1);
  f.step(2);
  CHECK(f.digest(0) == calm.digest(0));
}

TEST_CASE("who hears a new head hears no older one") {
  fixture f;
  f.step(0);
  f.at(0).role.receive(f.gradient(1, 0));
  const auto late = f.at(0).world.of<protocol::log_entry>().back();
  f.begin(holder(0));
  f.talk();
  const auto kept = f.at(1).world.of<protocol::log_kept>().size();
  f.at(1).role.receive(late);
  CHECK(f.at(1).world.of<protocol::log_kept>().size() == kept);
}

TEST_CASE("blocks of two answers are no state, even if they are all") {
  test::fake_context world(holder(1), 2);
  holder_copies copies(world, {holder(0), holder(1)}, true);
  const auto answer = [](incarnation head, int block) {
    return protocol::holder_copy{
        .head = head, .index = 3, .from = head, .to = 2, .block = block, .content = {}};
  };
  CHECK_FALSE(copies.hear(answer(1, 0), 2));
  CHECK_FALSE(copies.hear(answer(2, 1), 2));
  const auto whole = copies.hear(answer(2, 0), 2);
  REQUIRE(whole);
  CHECK(whole->from == 2);
}

TEST_CASE("a question that comes late does not displace that of the next incarnation") {
  fixture f;
  f.step(0);
  f.at(0).role.receive(f.gradient(1, 0)); // it answers when the update is done
  f.begin(holder(1));
  f.begin(holder(1));
  f.mark_told(1); // its questions are these:
  f.at(0).role.receive(protocol::want_copy{1, 3, 0});
  f.at(0).role.receive(protocol::want_copy{1, 2, 0});
  f.compute(f.at(0));
  f.talk();
  CHECK(f.at(1).role.waits().empty());
}

TEST_CASE("a copy whose bits are others says both digests") {
  fixture f;
  f.step(0);
  auto other = f.gradient(1, 0);
  f.at(0).role.receive(other);
  f.compute(f.at(0));
  auto entry = f.at(0).world.of<protocol::log_entry>().back();
  entry.value = f.gradient(7, 0).value;
  f.at(1).role.receive(entry);
  f.tell(0, 2);
  f.mark_told(0);
  f.compute(f.at(1));
  CHECK(f.at(1).world.of<protocol::job_failed>().empty());
  f.at(0).role.receive(f.gradient(2, 0));
  f.talk();
  const auto failed = f.at(1).world.of<protocol::job_failed>();
  REQUIRE(failed.size() == 1);
  CHECK(failed[0].text.what.find("two copies of the parameters of parameter_holder/0/1 differ "
                                 "before step 2") != std::string::npos);
}

TEST_CASE("where all copies were restarted, the state is lost, and one says so") {
  fixture f;
  f.step(0);
  for (std::uint16_t c = 0; c < 3; ++c)
    f.begin(holder(c));
  f.talk();
  REQUIRE(!f.at(0).world.of<protocol::state_lost>().empty());
  CHECK(f.at(0).world.of<protocol::state_lost>()[0].who == holder(0));
  CHECK(f.at(1).world.of<protocol::state_lost>().empty());
}

TEST_CASE("a holder without copies that is restarted has lost its state") {
  fixture f;
  auto options = f.options();
  options.copies.clear();
  test::fake_context world(holder(0), 2);
  parameter_holder alone(world, options);
  alone.started();
  CHECK(world.of<protocol::state_lost>().size() == 1);
  alone.receive(f.gradient(0, 0));
  CHECK(world.computations.empty());
}
