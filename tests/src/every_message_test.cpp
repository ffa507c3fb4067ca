// Every message that actors say to each other, as the protocol lists them, meets everything that a
// network and a node can do to it: it is lost, its answer is lost, it comes twice (at once, within
// the step, steps later), only half of it comes, it is slow, its receiver is paused or cut off when
// it comes, its receiver dies of it or its sender behind it. Nothing of that changes a bit, or an
// update of a parameter server.
//
// Jobs are played once as they are, to learn what is said when, and then again for each message and
// each of its fates. A message that none of the jobs says fails the test.
//   TROUPE_MESSAGES=N   that many of each kind and job, spread over the run (0: all)
//   TROUPE_MESSAGE_STRIDE=1   all of those cases, and not one of so many
//   TROUPE_MESSAGE_CASE="compressed/gradient/40/lost"   one case alone
#include "support/environment.hpp"
#include "support/message_cases.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cstdlib>
#include <set>
#include <string>
#include <utility>
#include <vector>

using namespace troupe;
using namespace troupe::test;

namespace {

class trial {
public:
  explicit trial(const played_job& j) : job_(j), expected_(reference_of(j.world)) {
    if (const char* given = std::getenv("TROUPE_MESSAGE_CASE")) alone_ = given;
  }

  void play(const spoken& all, std::uint64_t many) {
    each_message_case(job_, all, many, [this](const std::string& which, const drawn_world& d) {
      if (alone_.empty() ? ++cases_ % stride_ == 0 : alone_ == which) check(which, d);
    });
  }

private:
  void check(const std::string& which, const drawn_world& d) const {
    const auto played = world_check(d, expected_).play();
    // Where a copy of a parameter server's holder dies anyway, another death may be that of all.
    const bool may_be_lost = !job_.world.cluster.model.faults.empty();
    if (!played.failure && !played.diverged && (!played.lost || may_be_lost)) return;
    const std::string kind = played.failure ? played.failure->kind : "lost";
    const std::string text = played.failure ? played.failure->text : "";
    FAIL_CHECK(fmt::format("{}: {}\nTROUPE_MESSAGE_CASE=\"{}\" build/release/tests/test_src "
                           "-tc=\"every message*\"",
                           kind,
                           text,
                           which));
  }

  const played_job& job_;
  const reference_run expected_;
  std::string alone_;
  const std::uint64_t stride_ =
      number_from_environment("TROUPE_MESSAGE_STRIDE", unless_sanitized(8, 80));
  std::uint64_t cases_ = 0;
};

template <std::size_t... I>
std::vector<message> each_message(std::index_sequence<I...>) {
  return {message(std::in_place_index<I>)...};
}

} // namespace

TEST_CASE("every message may be lost or late or doubled and its ends may die: nothing changes") {
  const auto many = number_from_environment("TROUPE_MESSAGES", 1);
  std::set<std::size_t> met;
  for (const auto& j : message_jobs()) {
    const auto all = listen(j.world);
    for (const auto& m : all.sent)
      met.insert(m.kind);
    trial(j).play(all, many);
  }
  // What comes from outside of the actors, or ends the job.
  const std::set<std::string> from_outside = {"stop_job", "set_dial", "job_failed", "state_lost"};
  for (const message& m : each_message(std::make_index_sequence<std::variant_size_v<message>>())) {
    const std::string name = message_name(m);
    CAPTURE(name);
    CHECK((met.contains(m.index()) || !may_cross(m) || from_outside.contains(name)));
  }
}
