#include "actors/runtime/down_ledger.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace std::chrono_literals;

namespace {

const address shard{.role = role_kind::layer_shard}, loader{.role = role_kind::data_loader};
const address boss{.role = role_kind::supervisor};

} // namespace

TEST_CASE("a ledger keeps each death once, in the order of time, with who was started since") {
  down_ledger l;
  l.note({shard, 1, true, "killed"}, 1ms);
  l.note({shard, 1, true, "killed"}, 3ms); // again
  l.note_start(shard, 2);
  l.note({shard, 2, true, "killed"}, 4ms);
  l.note({loader, 1, false, "no data"}, 5ms);
  const auto all = l.all();
  REQUIRE(all.size() == 3);
  CHECK(all[0].what.who == shard);
  CHECK(all[0].when == 1ms);
  CHECK(all[0].successor == 2);
  CHECK(all[1].what.life == 2);
  CHECK(all[1].when == 4ms);
  CHECK(all[1].successor == 0);
  CHECK(all[2].what.who == loader);
}

TEST_CASE("a ledger is bounded, and has the last death of every actor") {
  down_ledger l;
  l.note({loader, 1, true, "killed"}, 1ms);
  for (incarnation life = 1; life <= 1'000; ++life)
    l.note({shard, life, true, "killed"}, 1ms * (life + 1));
  const auto all = l.all();
  CHECK(all.size() == down_ledger::older_max + 2);
  CHECK(all.front().what.who == loader);
  CHECK(all.back().what.life == 1'000);
}

TEST_CASE("a supervisor that fails again and again is not begun for ever; one that is killed is") {
  down_ledger l;
  for (incarnation life = 1; life <= 100; ++life)
    CHECK(l.bears({boss, life, true, "killed"}, 1ms * life));
  for (incarnation life = 1; life <= 10; ++life)
    CHECK(l.bears({boss, life, false, "broken"}, 1ms * life));
  CHECK_FALSE(l.bears({boss, 11, false, "broken"}, 12ms));
  CHECK(supervisor_failed({boss, 11, false, "broken"}).text.why ==
        "it had more than 10 failures in 60 s");
}
