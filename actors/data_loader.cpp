#include "actors/data_loader.hpp"

#include <utility>

namespace troupe {

data_loader::data_loader(context& world, const data_loader_options& options)
    : world_(world), source_(std::make_shared<const microbatch_source>(options.make_source())) {}

std::vector<wait> data_loader::waits() const {
  if (!busy_) return {};
  return {{.what = wait_kind::computation, .from = world_.self()}};
}

void data_loader::on(const protocol::want_batch& m) {
  wanted_.push_back(m);
  act();
}

void data_loader::act() {
  if (busy_ || wanted_.empty()) return;
  busy_ = true;
  const auto& first = wanted_.front();
  world_.compute(lane::brief, first.step, [read = source_, want = first](computation& here) {
    here.begin({.kind = work_kind::read, .which = want.microbatch});
    here.post(protocol::batch_ready{
        {want.step, want.microbatch, (*read)(want.step, want.microbatch, want.images)},
        want.reply_to});
  });
  wanted_.pop_front();
}

void data_loader::on(const protocol::batch_ready& m) {
  busy_ = false;
  act();
  world_.send(m.reply_to, m.value);
}

} // namespace troupe
