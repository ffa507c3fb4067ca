#include "actors/checkpointer.hpp"

#include "actors/checkpoint_files.hpp"
#include "ops/error.hpp"

#include <algorithm>
#include <utility>

namespace troupe {

namespace {

constexpr std::size_t problem_max = 600; // of a text that crosses between nodes

bool is(const std::vector<address>& list, const address& who) {
  return std::find(list.begin(), list.end(), who) != list.end();
}

} // namespace

checkpointer::checkpointer(context& world, checkpointer_options options)
    : world_(world), options_(std::make_shared<checkpointer_options>(std::move(options))) {}

std::vector<wait> checkpointer::waits() const {
  std::vector<wait> out;
  const auto blocks = static_cast<int>(options_->blocks);
  switch (stage_) {
  case stage::idle:
    break;
  case stage::making_folder:
  case stage::completing:
    return {{.what = wait_kind::computation, .from = world_.self(), .step = wanted_.version}};
  case stage::shards:
    for (const address& writer : options_->writers)
      if (!shards_.contains(writer))
        out.push_back({.what = wait_kind::state, .from = writer, .step = wanted_.version});
    break;
  case stage::collecting:
    for (int b = 0; b < blocks; ++b)
      if (!parameters_.contains(b))
        out.push_back({.what = wait_kind::state, .step = wanted_.version, .block = b, .blocks = 1});
    break;
  }
  return out;
}

// A new director asks again for what the one before had asked for.
void checkpointer::on(const protocol::save& m) {
  if (m.request < wanted_.request || (m.request == wanted_.request && stage_ != stage::idle))
    return;
  const bool again = !m.path.empty() && m.path == wanted_.path && m.version == wanted_.version &&
                     m.collects == wanted_.collects;
  wanted_ = m;
  if (again && stage_ == stage::idle) answer();
  if (again) return;
  answer_ = {.path = m.path};
  shards_.clear();
  parameters_.clear();
  if (m.path.empty()) return collect();
  stage_ = stage::making_folder;
  world_.compute(lane::files, [want = m](computation& here) {
    protocol::written out{want.path, protocol::save_stage::folder_made, {}};
    try {
      here.files().make_folder(want.path);
    } catch (const error& e) {
      out.problem = e.what();
    }
    here.post(std::move(out));
  });
}

void checkpointer::ask_for_shard(const address& writer) {
  world_.send(writer,
              protocol::want_shard{wanted_.request, world_.self(), wanted_.version, wanted_.path});
}

void checkpointer::ask_for_state(const address& holder) {
  world_.send(holder, protocol::want_state{wanted_.request, world_.self(), wanted_.version});
}

void checkpointer::on(const protocol::restarted& m) {
  if (stage_ == stage::shards && is(options_->writers, m.who)) ask_for_shard(m.who);
  if (stage_ == stage::collecting && is(options_->holders, m.who)) ask_for_state(m.who);
}

void checkpointer::on(const protocol::shard_written& m) {
  if (stage_ != stage::shards || m.folder != wanted_.path) return;
  shards_[m.writer] = m;
  if (shards_.size() == options_->writers.size()) complete();
}

// All have answered: nobody writes into the folder any more.
void checkpointer::complete() {
  stage_ = stage::completing;
  auto m = options_->manifest;
  m.step = wanted_.version;
  m.island_parameters = m.islands > 0 && options_->rounds.begin_of(m.step) != m.step;
  for (const auto& [writer, done] : shards_) {
    if (!done.problem.empty() && answer_.problem.empty()) answer_.problem = done.problem;
    if (!done.file.name.empty()) m.shards.push_back(done.file);
  }
  world_.compute(
      lane::files,
      [want = wanted_, m, kept = options_->kept, problem = answer_.problem](computation& here) {
        protocol::written out{want.path, protocol::save_stage::completed, problem};
        try {
          if (problem.empty()) write_manifest(here.files(), want.path, m);
        } catch (const error& e) {
          out.problem = e.what();
        }
        if (out.problem.empty())
          retire_checkpoints(here.files(), want.path, kept);
        else
          remove_incomplete(here.files(), want.path);
        here.post(std::move(out));
      });
}

void checkpointer::on(const protocol::written& m) {
  using enum protocol::save_stage;
  if (m.folder != wanted_.path) return; // of a save before
  if (stage_ != (m.stage == folder_made ? stage::making_folder : stage::completing)) return;
  answer_.problem = m.problem.substr(0, problem_max);
  if (m.stage == folder_made && m.problem.empty()) {
    stage_ = stage::shards;
    for (const address& writer : options_->writers)
      ask_for_shard(writer);
  } else {
    collect();
  }
}

void checkpointer::collect() {
  if (!wanted_.collects) return answer();
  stage_ = stage::collecting;
  for (const address& holder : options_->holders)
    ask_for_state(holder);
}

void checkpointer::on(const protocol::state& m) {
  if (stage_ != stage::collecting || m.version != options_->rounds.begin_of(wanted_.version))
    return;
  parameters_[m.block] = m.parameters;
  if (parameters_.size() < options_->blocks) return;
  for (auto& [block, value] : parameters_)
    answer_.parameters.push_back(std::move(value));
  parameters_.clear();
  answer();
}

void checkpointer::answer() {
  stage_ = stage::idle;
  answer_.request = wanted_.request;
  world_.send(options_->director, answer_);
}

} // namespace troupe
