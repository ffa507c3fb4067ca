#include "actors/residual_keeper.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

namespace troupe {

namespace {

residual_keeper_options without_start(residual_keeper_options options) {
  options.start.clear();
  return options;
}

} // namespace

residual_keeper::residual_keeper(context& world, residual_keeper_options options)
    : world_(world), options_(without_start(options)), shard_(world, options.layout) {
  for (const auto& r : options.start) {
    own_.emplace_back(r.block, r.first_microbatch);
    kept_[r.step][own_.back()] = r.value;
  }
}

void residual_keeper::on(const protocol::residual& m) {
  kept_[m.step][{m.block, m.first_microbatch}] = m.value;
  tell_shard(m);
  if (shard_.is_wanted()) write_shard();
  forget();
}

// But what may still be asked for by a save.
void residual_keeper::forget() {
  const auto newest = kept_.rbegin()->first;
  const auto every = options_.save_every;
  std::erase_if(kept_, [&](const auto& of_step) {
    const auto step = of_step.first;
    return step + options_.steps_kept <= newest &&
           (every == 0 || step % every != 0 || step < saved_);
  });
}

std::vector<wait> residual_keeper::waits() const {
  if (!wanted_ || kept_.contains(wanted_->step)) return {};
  return {{.what = wait_kind::residual, .from = wanted_->reply_to, .step = wanted_->step}};
}

// The gradients of the shard before may have made the step possible while the residuals that it
// sent with them are still on their way.
void residual_keeper::on(const protocol::want_residuals& m) {
  if (wanted_ && m.step < wanted_->step) return; // no shard goes back
  wanted_ = m;
  if (const auto found = kept_.find(m.step); found != kept_.end())
    for (const auto& [key, value] : found->second)
      tell_shard({found->first, key.first, key.second, value});
  if (!lacks(m.step)) return;
  if (asked_of_shard_ != m.step) return ask_shard(m.step);
  // What the shard before has sent came before what this one asks.
  lost_ = m.step;
  world_.send(options_.director, protocol::state_lost{world_.self()});
}

// What the one before had, and the shard has if it is not new as well.
bool residual_keeper::lacks(std::uint64_t step) const {
  const auto found = kept_.find(step);
  return !world_.begins() && (found == kept_.end() || found->second.size() < own_.size());
}

void residual_keeper::ask_shard(std::uint64_t step) {
  asked_of_shard_ = step;
  world_.send(options_.shard, protocol::want_residuals{world_.self(), step});
}

void residual_keeper::on(const protocol::restarted& m) {
  if (m.who == options_.director && lost_ && wanted_ && wanted_->step == *lost_ && lacks(*lost_))
    world_.send(m.who, protocol::state_lost{world_.self()});
  if (m.who == options_.shard && shard_.is_wanted() && lacks(shard_.version()))
    ask_shard(shard_.version());
}

void residual_keeper::tell_shard(const protocol::residual& m) {
  if (wanted_ && wanted_->step == m.step) world_.send(wanted_->reply_to, m);
}

void residual_keeper::on(const protocol::want_shard& m) {
  shard_.hear(m);
  if (!shard_.is_wanted()) return;
  write_shard();
  if (shard_.is_wanted() && lacks(m.version)) ask_shard(m.version);
}

// What a step left out belongs to the next one: of the version that is saved is what the step with
// its number adds. It may come later than the question.
void residual_keeper::write_shard() {
  const auto step = shard_.version();
  if (own_.empty()) return shard_.have_nothing();
  const auto found = kept_.find(step);
  if (found == kept_.end() || found->second.size() < own_.size()) {
    if (is_overtaken(step))
      shard_.decline(fmt::format("{} was restarted, and has what is left over of later steps alone",
                                 world_.self().text()));
    return;
  }
  shard_content content{.step = step, .states = {}};
  std::map<std::uint32_t, std::vector<tensor>> by_node;
  for (const auto& [key, value] : found->second) {
    auto& blocks = by_node[key.second];
    blocks.resize(options_.layout->blocks.size());
    blocks[static_cast<std::size_t>(key.first)] = value;
  }
  for (auto& [first, blocks] : by_node) {
    const auto& nodes = options_.nodes;
    const auto node = std::find(nodes.begin(), nodes.end(), first) - nodes.begin();
    content.states.push_back(
        {.prefix = {fmt::format("residual.{}.", node), false}, .blocks = std::move(blocks)});
  }
  shard_.write(std::move(content));
}

// What is missing of the step does not come any more: each of its kind comes in order.
bool residual_keeper::is_overtaken(std::uint64_t step) const {
  const auto found = kept_.find(step);
  return std::any_of(own_.begin(), own_.end(), [&](const auto& key) {
    if (found != kept_.end() && found->second.contains(key)) return false;
    return std::any_of(kept_.upper_bound(step), kept_.end(), [&](const auto& later) {
      return later.second.contains(key);
    });
  });
}

void residual_keeper::on(const protocol::shard_done& m) {
  if (!shard_.hear(m)) return;
  saved_ = shard_.version() + 1;
  forget();
}

} // namespace troupe
