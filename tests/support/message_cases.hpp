// Each message of small jobs meets everything that a network and a node can do to it: a world for
// each message and each of its fates.
#pragma once

#include "actors/wire/message_codec.hpp"
#include "src/protocol_jobs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe::test {

// What is said to those who are new, and by them.
inline played_job with_deaths() {
  const address directing{.role = role_kind::director}, supervising{.role = role_kind::supervisor};
  const address shard{.role = role_kind::layer_shard};
  const address head{.role = role_kind::parameter_holder};
  const address keeper{.role = role_kind::residual_keeper};
  return {"deaths",
          world_of(compressed_job(),
                   {.replicas = 2, .holders = 1, .holder_copies = 2},
                   {{std::chrono::milliseconds(1), kill_fault{directing}},
                    {std::chrono::milliseconds(2), kill_fault{head}},
                    {std::chrono::milliseconds(4), kill_fault{shard}},
                    {std::chrono::milliseconds(4) + std::chrono::microseconds(30),
                     kill_fault{supervising}},
                    {std::chrono::milliseconds(8), kill_fault{keeper}}})};
}

// Heads of three copies die one after the other.
inline played_job with_dying_heads() {
  using std::chrono::microseconds;
  const auto head = [](std::uint16_t copy) {
    return address{.role = role_kind::parameter_holder, .stage = copy};
  };
  return {"heads",
          world_of(message_job(),
                   {.replicas = 2, .holders = 1, .holder_copies = 3},
                   {{microseconds(1500), kill_fault{head(0)}},
                    {microseconds(1800), kill_fault{head(1)}},
                    {microseconds(3000), kill_fault{head(0)}},
                    {microseconds(3300), kill_fault{head(2)}}})};
}

// The head dies after a bound was dialled.
inline played_job with_dialled_bound() {
  const address head{.role = role_kind::parameter_holder};
  const consistency bounded{.kind = consistency_kind::bounded, .staleness = 2};
  played_job out{"bounds",
                 world_of(message_job(),
                          {.replicas = 2, .holders = 1, .holder_copies = 2, .order = bounded},
                          {{std::chrono::milliseconds(3), kill_fault{head}}})};
  out.world.dials = {{.kind = credit_kind::staleness, .value = 1, .step = 1}};
  return out;
}

inline std::vector<played_job> message_jobs() {
  auto out = protocol_jobs();
  for (auto&& j : {with_deaths(), with_dying_heads(), with_dialled_bound()})
    out.push_back(j);
  return out;
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

inline int number_of(const wiring& w, const address& who) {
  return std::find_if(w.roles.begin(), w.roles.end(), [&](const auto& r) { return r.where == who; })
      ->node;
}

// What is said in the job as it is.
inline spoken listen(const drawn_world& d) {
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

inline constexpr std::array<std::pair<fate, std::string_view>, 11> fates{{
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
inline bool is_on_the_way(fate f) {
  return f < fate::paused;
}

inline message_fate on_the_way(fate f) {
  switch (f) {
  case fate::twice_at_once:
    return {.copy_after = std::chrono::nanoseconds(1)};
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

// What it has counted is its own: each play of the world begins with a copy.
inline void meet_on_the_way(drawn_world& d, fate f, const said& which) {
  d.cluster.model.on_way = [f, which, count = 0, answers = false, to_whom = address{}](
                               const address& from, const address& to, const message& m) mutable {
    if (answers && from == to_whom) {
      answers = false;
      return message_fate{.lost = true};
    }
    if (m.index() != which.kind || count++ != which.number) return message_fate{};
    if (f != fate::answer_lost) return on_the_way(f);
    answers = true; // the next thing that its receiver says
    to_whom = to;
    return message_fate{};
  };
}

inline void meet_at_its_end(drawn_world& d, fate f, const heard_once& m) {
  const auto w = d.wired();
  auto& faults = d.cluster.model.faults;
  const int node = number_of(w, m.to);
  const auto before = m.when - std::chrono::nanoseconds(1);
  switch (f) {
  case fate::paused:
    faults.push_back({before, pause_fault{node}});
    faults.push_back({before + std::chrono::milliseconds(3), resume_fault{node}});
    break;
  case fate::cut_off:
    faults.push_back({before, isolate_fault{whole::node, node}});
    faults.push_back({before + std::chrono::milliseconds(3), reconnect_fault{whole::node, node}});
    break;
  case fate::receiver_dies:
    faults.push_back({before, kill_fault{m.to}});
    break;
  default:
    faults.push_back({before, kill_fault{m.from}});
  }
}

inline bool can_happen(const wiring& w, fate f, const heard_once& m) {
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

// Each case with its name ("compressed/gradient/40/lost"), `many` messages of each kind (0: all).
template <class Each>
void each_message_case(const played_job& j, const spoken& all, std::uint64_t many, Each&& each) {
  const auto wired = j.world.wired();
  const auto name = [&](const said& m, std::string_view f) {
    return fmt::format("{}/{}/{}/{}", j.name, message_name(m.kind), m.number, f);
  };
  for (const auto& [f, name_of_fate] : fates)
    if (is_on_the_way(f))
      for (const auto& m : some_of(all.sent, many, [](const said& s) { return s.kind; })) {
        auto d = j.world;
        meet_on_the_way(d, f, m);
        each(name(m, name_of_fate), d);
      }
    else
      for (const auto& m :
           some_of(all.heard, many, [](const heard_once& h) { return h.what.kind; })) {
        if (!can_happen(wired, f, m)) continue;
        auto d = j.world;
        meet_at_its_end(d, f, m);
        each(name(m.what, name_of_fate), d);
      }
}

} // namespace troupe::test
