#include "actors/checkpointer.hpp"

#include <algorithm>
#include <utility>

namespace troupe {

namespace {

// The oldest ones of the folder in which the newest was written.
void remove_old_checkpoints(disk& files, const std::string& newest, int kept) {
  const auto folder = newest.substr(0, newest.rfind('/'));
  auto names = files.list(folder);
  std::erase_if(names, [](const std::string& name) {
    return !name.starts_with("step-") || !name.ends_with(".safetensors");
  });
  for (std::size_t i = 0; i + static_cast<std::size_t>(std::max(kept, 1)) < names.size(); ++i)
    files.remove(folder + "/" + names[i]);
}

} // namespace

checkpointer::checkpointer(context& world, checkpointer_options options)
    : world_(world), options_(std::make_shared<checkpointer_options>(std::move(options))) {}

void checkpointer::on(const protocol::save& m) {
  if ((wanted_ && wanted_->request == m.request) || m.request < newest_) return;
  newest_ = m.request;
  wanted_ = m;
  collected_.clear();
  residuals_.clear();
  for (const auto& holder : options_->holders)
    world_.send(holder, protocol::want_state{m.request, world_.self(), m.version});
  for (const auto& keeper : options_->keepers)
    world_.send(keeper, protocol::want_state{m.request, world_.self(), m.version});
}

void checkpointer::on(const protocol::restarted& m) {
  const auto is = [&](const std::vector<address>& list) {
    return std::find(list.begin(), list.end(), m.who) != list.end();
  };
  if (wanted_ && (is(options_->holders) || is(options_->keepers)))
    world_.send(m.who, protocol::want_state{wanted_->request, world_.self(), wanted_->version});
}

std::vector<wait> checkpointer::waits() const {
  std::vector<wait> out;
  if (!wanted_) return out;
  if (written_ == wanted_->request)
    return {{.what = wait_kind::computation, .from = world_.self(), .step = wanted_->version}};
  const auto blocks = static_cast<int>(options_->layout->blocks.size());
  for (std::uint32_t island = 0; island <= options_->islands; ++island)
    for (int b = 0; b < blocks; ++b)
      if (!collected_.contains({island, b}))
        out.push_back({.what = wait_kind::state,
                       .step = wanted_->version,
                       .block = b,
                       .blocks = 1,
                       .island = island});
  for (const tree_span& node : options_->nodes)
    for (int b = 0; b < blocks; ++b)
      if (!residuals_.contains({node.first, b}))
        out.push_back({.what = wait_kind::residual,
                       .step = wanted_->version,
                       .block = b,
                       .blocks = 1,
                       .microbatch = node.first,
                       .microbatches = node.count});
  return out;
}

void checkpointer::on(const protocol::state& m) {
  if (!wanted_ || m.request != wanted_->request) return;
  collected_[{m.island, m.block}] = m;
  write_if_complete();
}

void checkpointer::on(const protocol::kept_residual& m) {
  if (!wanted_ || m.request != wanted_->request) return;
  residuals_[{m.value.first_microbatch, m.value.block}] = m.value.value;
  write_if_complete();
}

std::shared_ptr<checkpoint> checkpointer::assembled() {
  auto content = std::make_shared<checkpoint>();
  content->step = wanted_->version;
  content->job = options_->job;
  content->islands.resize(options_->islands);
  for (const tree_span& node : options_->nodes) {
    auto& of_node = content->residuals.emplace_back();
    for (std::size_t b = 0; b < options_->layout->blocks.size(); ++b)
      of_node.push_back(residuals_.at({node.first, static_cast<int>(b)}));
  }
  residuals_.clear();
  for (auto& [key, state] : std::exchange(collected_, {})) {
    island_state* island = key.first > 0 ? &content->islands[key.first - 1] : nullptr;
    if (state.parameters)
      (island ? island->parameters : content->parameters).push_back(state.parameters);
    auto& slots = island ? island->slots : content->slots;
    slots.resize(state.slots.size());
    for (std::size_t k = 0; k < state.slots.size(); ++k)
      slots[k].push_back(state.slots[k]);
  }
  return content;
}

void checkpointer::write_if_complete() {
  const auto blocks = options_->layout->blocks.size();
  if (collected_.size() != blocks * (1 + options_->islands)) return;
  if (residuals_.size() != options_->nodes.size() * blocks) return;
  const auto content = assembled();
  written_ = wanted_->request;
  world_.compute(lane::brief, [options = options_, want = *wanted_, content](computation& here) {
    here.begin({work_kind::write, want.path.empty() ? 0 : options->layout->bytes() / 4});
    protocol::saved out{want.request, want.path, content, {}};
    try {
      if (!want.path.empty()) {
        here.files().write(want.path, checkpoint_bytes(*options->layout, *content));
        remove_old_checkpoints(here.files(), want.path, options->kept);
      }
    } catch (const error& e) {
      out.problem = e.what();
    }
    here.post(protocol::written{std::move(out)});
  });
}

// Of a save before, where its state came twice: this one is still wanted.
void checkpointer::on(const protocol::written& m) {
  if (wanted_ && wanted_->request == m.value.request) wanted_.reset();
  world_.send(options_->director, m.value);
}

} // namespace troupe
