#include "actors/holder_copies.hpp"

#include <algorithm>

namespace troupe {

namespace {

// What an older incarnation said may come later.
void note(std::map<int, incarnation>& newest, int copy, incarnation life) {
  auto& known = newest[copy];
  known = std::max(known, life);
}

} // namespace

holder_copies::holder_copies(context& world, std::vector<address> all, bool holds_something)
    : world_(world),
      all_(std::move(all)),
      own_(world.self().stage),
      head_(own_ == 0 ? world.life() : 0),
      recovering_(holds_something && !world.begins()) {
  for (int c = 1; c < std::ssize(all_); ++c)
    kept_[c] = 0;
}

void holder_copies::started() {
  if (!recovering_) return;
  const protocol::want_copy question{own_, world_.life(), 0};
  if (is_head())
    to_all(question);
  else
    world_.send(all_.front(), question);
}

void holder_copies::to_all(const message& m) const {
  for (std::size_t c = 1; c < all_.size(); ++c)
    world_.send(all_[c], m);
}

std::uint64_t holder_copies::write(protocol::log_entry e) {
  e.head = head_;
  e.index = ++index_;
  to_all(e);
  return index_;
}

std::uint64_t holder_copies::kept_by_all() const {
  std::uint64_t out = index_;
  for (const auto& [copy, index] : kept_)
    out = std::min(out, index);
  return out;
}

void holder_copies::say(std::uint64_t after, const address& to, message m) {
  if (!is_head()) return;
  if (alone() || after <= kept_by_all())
    world_.send(to, std::move(m));
  else
    unsaid_.emplace(after, std::pair{to, std::move(m)});
}

void holder_copies::hear(const protocol::log_kept& m) {
  if (m.head != head_ || recovering_) return;
  auto& kept = kept_.at(m.copy);
  kept = std::max(kept, m.index);
  const auto last = unsaid_.upper_bound(kept_by_all());
  for (auto at = unsaid_.begin(); at != last; at = unsaid_.erase(at))
    world_.send(at->second.first, std::move(at->second.second));
}

std::vector<address> holder_copies::behind() const {
  std::vector<address> out;
  if (unsaid_.empty()) return out;
  for (const auto& [copy, index] : kept_)
    if (index < unsaid_.begin()->first) out.push_back(all_[static_cast<std::size_t>(copy)]);
  return out;
}

bool holder_copies::follow(const protocol::log_entry& m) {
  if (head_ == 0 && !recovering_) head_ = m.head; // the first one
  if (recovering_ || m.head != head_ || m.index != index_ + 1) return false;
  index_ = m.index;
  world_.send(all_.front(), protocol::log_kept{head_, index_, own_});
  return true;
}

// A copy that asks a head which was restarted, too, has not answered it yet.
void holder_copies::hear(const protocol::want_copy& m) {
  if (is_head() && !recovering_) {
    note(askers_, m.copy, m.life);
  } else if (is_head()) {
    if (m.head == head_)
      note(without_, m.copy, m.life);
    else
      world_.send(all_.at(static_cast<std::size_t>(m.copy)),
                  protocol::want_copy{own_, world_.life(), 0});
  } else if (m.life >= head_) {
    head_ = m.life;
    if (recovering_)
      world_.send(all_.front(), protocol::want_copy{own_, world_.life(), head_});
    else
      askers_[0] = m.life;
  }
}

void holder_copies::answer(const std::map<int, protocol::block_copy>& blocks,
                           std::uint64_t revision,
                           std::uint64_t staleness) {
  for (const auto& [copy, life] : askers_)
    for (const auto& [block, content] : blocks)
      world_.send(
          all_.at(static_cast<std::size_t>(copy)),
          protocol::holder_copy{
              head_, index_, own_, world_.life(), life, block, content, revision, staleness});
  askers_.clear();
}

std::optional<holder_copies::state> holder_copies::hear(const protocol::holder_copy& m,
                                                        std::size_t blocks) {
  const bool wanted = recovering_ || (!is_head() && m.index > index_);
  if (!wanted || m.to != world_.life() || m.head < head_) return std::nullopt;
  auto& from = answers_[m.copy];
  if (from.from != m.from || from.index != m.index) from = {};
  from.index = m.index;
  from.from = m.from;
  from.revision = m.revision;
  from.staleness = m.staleness;
  from.blocks[m.block] = m.content;
  if (from.blocks.size() < blocks) return std::nullopt;
  if (is_head()) return newest(blocks);
  head_ = m.head;
  auto out = take(std::move(from));
  world_.send(all_.front(), protocol::log_kept{head_, index_, own_});
  return out;
}

std::optional<holder_copies::state> holder_copies::newest(std::size_t blocks) {
  const state* best = nullptr;
  for (int c = 1; c < std::ssize(all_); ++c) {
    const auto found = answers_.find(c);
    const bool complete = found != answers_.end() && found->second.blocks.size() == blocks;
    if (!complete && !without_.contains(c)) return std::nullopt;
    if (complete && (best == nullptr || found->second.index > best->index)) best = &found->second;
  }
  if (best == nullptr) return std::nullopt;
  for (const auto& [copy, answer] : answers_)
    if (answer.index == best->index && answer.blocks.size() == blocks)
      kept_[copy] = answer.index;
    else
      askers_[copy] = answer.from;
  for (const auto& [copy, life] : without_) {
    kept_[copy] = 0;
    askers_[copy] = life;
  }
  return take(*best);
}

std::optional<holder_copies::state> holder_copies::take(state chosen) {
  index_ = chosen.index;
  recovering_ = false;
  answers_.clear();
  without_.clear();
  return chosen;
}

} // namespace troupe
