#include "actors/shard_writer.hpp"

#include "ops/error.hpp"

#include <algorithm>
#include <utility>

namespace troupe {

namespace {

std::int64_t elements_of(const shard_content& content) {
  std::int64_t out = 0;
  for (const shard_state& s : content.states)
    for (const tensor& block : s.blocks)
      out += block.elements();
  return out;
}

// "parameter_holder-2-0-1"
std::string file_name_of(const address& who) {
  auto out = who.text();
  std::replace(out.begin(), out.end(), '/', '-');
  return out;
}

} // namespace

shard_writer::shard_writer(context& world, std::shared_ptr<const parameter_layout> layout)
    : world_(world), place_(std::make_shared<shard_place>()) {
  place_->writer = file_name_of(world.self());
  place_->layout = std::move(layout);
}

void shard_writer::hear(const protocol::want_shard& m) {
  if (m.request < asked_.request) return; // of a director that has a successor
  const bool again = m.folder == asked_.folder && m.version == asked_.version;
  asked_ = m;
  if (!again || phase_ == phase::failed || phase_ == phase::idle)
    phase_ = phase::wanted;
  else if (phase_ == phase::written)
    look_again();
}

// The checkpointer before may have given the checkpoint up, and removed what there was of it.
void shard_writer::look_again() {
  if (file_.name.empty()) return answer();
  phase_ = phase::writing;
  world_.compute(lane::files, [folder = asked_.folder, file = file_](computation& here) {
    protocol::shard_done out{folder, file, {}};
    if (here.files().size(folder + "/" + file.name) != file.bytes)
      out.problem = file.name + " was removed when the checkpoint was given up";
    here.post(std::move(out));
  });
}

void shard_writer::write(shard_content content) {
  phase_ = phase::writing;
  const auto amount = elements_of(content);
  world_.compute(
      lane::files,
      [place = place_,
       folder = asked_.folder,
       amount,
       what = std::make_shared<const shard_content>(std::move(content))](computation& here) {
        here.begin({work_kind::write, amount});
        protocol::shard_done out{folder, {}, {}};
        try {
          out.file = write_shard_file(here.files(), folder, *place, *what, here.cancelled());
        } catch (const error& e) {
          out.problem = e.what();
        }
        here.post(std::move(out));
      });
}

bool shard_writer::hear(const protocol::shard_done& m) {
  if (phase_ != phase::writing || m.folder != asked_.folder) return false;
  phase_ = m.problem.empty() ? phase::written : phase::failed;
  file_ = m.file;
  problem_ = m.problem;
  answer();
  return true;
}

void shard_writer::have_nothing() {
  phase_ = phase::written;
  file_ = {};
  problem_.clear();
  answer();
}

void shard_writer::decline(const std::string& why) {
  phase_ = phase::failed;
  file_ = {};
  problem_ = why;
  answer();
}

void shard_writer::answer() {
  world_.send(asked_.reply_to,
              protocol::shard_written{asked_.folder, world_.self(), file_, problem_});
}

} // namespace troupe
