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
#include "actors/wire/message_codec.hpp"
#include "src/protocol_jobs.hpp"
#include "support/environment.hpp"
#include "support/world_checks.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

// What is said to those who are new, and by them.
played_job with_deaths() {
  const address directing{.role = role_kind::director}, supervising{.role = role_kind::supervisor};
  const address shard{.role = role_kind::layer_shard};
  const address head{.role = role_kind::parameter_holder};
  const address keeper{.role = role_kind::residual_keeper};
  return {"deaths",
          world_of(compressed_job(),
                   {.replicas = 2, .holders = 1, .holder_copies = 2},
                   {{1ms, kill_fault{directing}},
                    {2ms, kill_fault{head}},
                    {4ms, kill_fault{shard}},
                    {4ms + 30us, kill_fault{supervising}},
                    {8ms, kill_fault{keeper}}})};
}

// One thing that is said: the `number`-th of its kind in the job, by sending or by hearing.
struct said {
  std::size_t kind = 0;
  int number = 0;
};

struct heard_once {
  said what;
  std::chrono::nanoseconds when{0};
  address from, to;
};

struct spoken {
  std::vector<said> sent;
  std::vector<heard_once> heard;
};

int number_of(const wiring& w, const address& who) {
  return std::find_if(w.roles.begin(), w.roles.end(), [&](const auto& r) { return r.where == who; })
      ->node;
}

// What is said in the job as it is.
spoken listen(const drawn_world& d) {
  spoken out;
  std::map<std::size_t, int> sent, heard;
  auto where = d.disturbed();
  where.model.on_way = [&](const address&, const address&, const message& m) {
    out.sent.push_back({m.index(), sent[m.index()]++});
    return message_fate{};
  };
  where.on_message = [&](const heard_message& m) {
    if (m.from == m.to) return;
    const auto kind = m.content->index();
    out.heard.push_back({{kind, heard[kind]++}, m.when, m.from, m.to});
  };
  const scratch_folder saved;
  where.start(d.wired(), d.run_with(saved.path())).wait();
  return out;
}

enum class fate {
  lost,
  answer_lost,
  twice_at_once,
  twice_within_a_step,
  twice_steps_later,
  torn,
  slow,
  paused,
  cut_off,
  receiver_dies,
  sender_dies
};

constexpr std::array<std::pair<fate, std::string_view>, 11> fates{{
    {fate::lost, "lost"},
    {fate::answer_lost, "answer-lost"},
    {fate::twice_at_once, "twice-at-once"},
    {fate::twice_within_a_step, "twice-within-a-step"},
    {fate::twice_steps_later, "twice-steps-later"},
    {fate::torn, "torn"},
    {fate::slow, "slow"},
    {fate::paused, "paused"},
    {fate::cut_off, "cut-off"},
    {fate::receiver_dies, "receiver-dies"},
    {fate::sender_dies, "sender-dies"},
}};

// Those of a message itself, by the number with which it is sent.
bool is_on_the_way(fate f) {
  return f < fate::paused;
}

message_fate on_the_way(fate f) {
  switch (f) {
  case fate::twice_at_once:
    return {.copy_after = 1ns};
  case fate::twice_within_a_step:
    return {.copy_after = 5 * latency};
  case fate::twice_steps_later:
    return {.copy_after = 60 * latency};
  case fate::slow:
    return {.late = 100 * latency};
  default: // what is torn is refused for its checksum, and sent again like what is lost
    return {.lost = true};
  }
}

void meet_on_the_way(drawn_world& d, fate f, const said& which) {
  struct state {
    int count = 0;
    bool answers = false;
  };

  const auto now = std::make_shared<state>();
  d.cluster.model.on_way = [now, f, which, to_whom = address{}](
                               const address& from, const address& to, const message& m) mutable {
    if (now->answers && from == to_whom) {
      now->answers = false;
      return message_fate{.lost = true};
    }
    if (m.index() != which.kind || now->count++ != which.number) return message_fate{};
    if (f != fate::answer_lost) return on_the_way(f);
    now->answers = true; // the next thing that its receiver says
    to_whom = to;
    return message_fate{};
  };
}

void meet_at_its_end(drawn_world& d, fate f, const heard_once& m) {
  const auto w = d.wired();
  auto& faults = d.cluster.model.faults;
  const int node = number_of(w, m.to);
  const auto before = m.when - 1ns;
  switch (f) {
  case fate::paused:
    faults.push_back({before, pause_fault{node}});
    faults.push_back({before + 3ms, resume_fault{node}});
    break;
  case fate::cut_off:
    faults.push_back({before, isolate_fault{whole::node, node}});
    faults.push_back({before + 3ms, reconnect_fault{whole::node, node}});
    break;
  case fate::receiver_dies:
    faults.push_back({before, kill_fault{m.to}});
    break;
  default:
    faults.push_back({before, kill_fault{m.from}});
  }
}

bool can_happen(const wiring& w, fate f, const heard_once& m) {
  if (f == fate::receiver_dies) return is_mortal(w, m.to);
  if (f == fate::sender_dies) return is_mortal(w, m.from);
  return true;
}

// So many of each kind, evenly spread over the run.
template <class Each>
std::vector<Each> some_of(const std::vector<Each>& all, std::uint64_t many, auto&& kind_of) {
  std::map<std::size_t, std::vector<Each>> by_kind;
  for (const auto& one : all)
    by_kind[kind_of(one)].push_back(one);
  std::vector<Each> out;
  for (const auto& [kind, those] : by_kind) {
    const auto n = many == 0 ? those.size() : std::min<std::size_t>(many, those.size());
    for (std::size_t i = 0; i < n; ++i)
      out.push_back(those[(2 * i + 1) * those.size() / (2 * n)]);
  }
  return out;
}

class trial {
public:
  explicit trial(const played_job& j)
      : job_(j), wired_(j.world.wired()), expected_(reference_of(j.world)) {
    if (const char* given = std::getenv("TROUPE_MESSAGE_CASE")) alone_ = given;
  }

  void play(const spoken& all, std::uint64_t many) {
    for (const auto& [f, name] : fates)
      if (is_on_the_way(f))
        for (const auto& m : some_of(all.sent, many, [](const auto& s) { return s.kind; })) {
          auto d = job_.world;
          meet_on_the_way(d, f, m);
          check(d, m, name);
        }
      else
        for (const auto& m : some_of(all.heard, many, [](const auto& h) { return h.what.kind; })) {
          if (!can_happen(wired_, f, m)) continue;
          auto d = job_.world;
          meet_at_its_end(d, f, m);
          check(d, m.what, name);
        }
  }

private:
  void check(const drawn_world& d, const said& m, std::string_view name) {
    const auto which = fmt::format("{}/{}/{}/{}", job_.name, message_name(m.kind), m.number, name);
    if (alone_.empty() ? ++cases_ % stride_ != 0 : alone_ != which) return;
    const auto played = world_check(d, expected_).play();
    if (!played.failure && !played.diverged && !played.lost) return;
    const std::string kind = played.failure ? played.failure->kind : "lost";
    const std::string text = played.failure ? played.failure->text : "";
    FAIL_CHECK(fmt::format("{}: {}\nTROUPE_MESSAGE_CASE=\"{}\" build/release/tests/test_src "
                           "-tc=\"every message*\"",
                           kind,
                           text,
                           which));
  }

  const played_job& job_;
  const wiring wired_;
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
  auto all_jobs = protocol_jobs();
  all_jobs.push_back(with_deaths());
  for (const auto& j : all_jobs) {
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
