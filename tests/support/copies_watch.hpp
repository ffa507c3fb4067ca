// What copies of parameter holders promise, from what is heard in a simulated world: a step counts
// as committed when each copy has heard what made it. And who has died, where a job says that all
// copies of something are lost.
#pragma once

#include "actors/runtime/world_observer.hpp"
#include "troupe/wiring.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

namespace troupe::test {

class copies_watch {
public:
  explicit copies_watch(const wiring& w) : wiring_(w) {}

  void hear(const heard_message& m) {
    if (const auto* d = std::get_if<protocol::down>(m.content)) note(*d);
    if (const auto* d = std::get_if<protocol::past_down>(m.content)) note(d->what);
    if (const auto* e = std::get_if<protocol::log_entry>(m.content)) {
      note(m.to, e->block, made_by(*e));
      blocks_[owner_of(m.to)].insert(e->block);
    }
    if (const auto* s = std::get_if<protocol::holder_copy>(m.content)) {
      note(m.to, s->block, s->content.version);
      blocks_[owner_of(m.to)].insert(s->block);
      answers_[m.to][{s->to, s->copy, s->from, s->index}].insert(s->block);
    }
    if (const auto* done = std::get_if<protocol::committed>(m.content)) check(m.from, *done);
  }

  [[nodiscard]] const std::string& problem() const { return problem_; }

  // Whether nobody has what the job says is lost: who did died, and its successor was told nothing,
  // or not all of it.
  [[nodiscard]] bool may_have_lost(const std::string& what) const {
    for (const auto& [who, life] : died_) {
      if (what.find(head_or_keeper(who).text() + ' ') == std::string::npos) continue;
      const auto all = who.role == role_kind::parameter_holder
                           ? copies_of(wiring_, who)
                           : std::vector{owner_of(who), keeper_of(who)};
      if (std::all_of(all.begin(), all.end(), [&](const address& a) { return is_without(a); }))
        return true;
    }
    return false;
  }

private:
  // To whom, who said it, in which of its lives, after how many entries.
  using answer = std::tuple<incarnation, int, incarnation, std::uint64_t>;

  // A new supervisor hears late of who died before.
  void note(const protocol::down& d) {
    auto& life = died_[d.who];
    life = std::max(life, d.life);
  }

  // Whether it has died, and was not told all blocks of one answer since.
  [[nodiscard]] bool is_without(const address& who) const {
    const auto died = died_.find(who);
    if (died == died_.end()) return false;
    const auto told = answers_.find(who);
    return told == answers_.end() ||
           std::none_of(told->second.begin(), told->second.end(), [&](const auto& one) {
             return std::get<0>(one.first) > died->second &&
                    one.second.size() == blocks_.at(owner_of(who)).size();
           });
  }

  // A holder's head; of a keeper its layer shard.
  static address owner_of(address who) {
    if (who.role == role_kind::parameter_holder) who.stage = 0;
    if (who.role == role_kind::residual_keeper) who.role = role_kind::layer_shard;
    return who;
  }

  // Whose state a job says is lost.
  static address head_or_keeper(address who) {
    if (who.role == role_kind::layer_shard) who.role = role_kind::residual_keeper;
    if (who.role == role_kind::parameter_holder) who.stage = 0;
    return who;
  }

  static address keeper_of(address who) {
    who.role = role_kind::residual_keeper;
    return who;
  }

  [[nodiscard]] std::uint64_t made_by(const protocol::log_entry& e) const {
    if (e.kind == protocol::log_kind::adopt) return e.version;
    if (e.kind == protocol::log_kind::read) return 0;
    return wiring_.order.as_they_come() ? e.version + 1 : e.step + 1;
  }

  void note(const address& who, int block, std::uint64_t version) {
    auto& has = has_[{who, block}];
    has = std::max(has, version);
  }

  void check(const address& head, const protocol::committed& m) {
    const auto [at, fresh] = copies_.try_emplace(head);
    if (fresh) at->second = copies_of(wiring_, head);
    for (std::size_t c = 1; c < at->second.size(); ++c)
      if (has_[{at->second[c], m.block}] < m.version && problem_.empty())
        problem_ =
            fmt::format("step {} is committed, and {} has not heard of version {} of block {}",
                        m.step,
                        at->second[c].text(),
                        m.version,
                        m.block);
  }

  const wiring& wiring_;
  std::map<address, incarnation> died_;                        // in which life last
  std::map<address, std::map<answer, std::set<int>>> answers_; // blocks that were told
  std::map<address, std::set<int>> blocks_;                    // by head
  std::map<std::pair<address, int>, std::uint64_t> has_;
  std::map<address, std::vector<address>> copies_; // by head
  std::string problem_;
};

} // namespace troupe::test
