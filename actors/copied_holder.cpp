// A parameter holder that has copies: what it writes into the log and does as the log says, and how
// one that was restarted goes on.
#include "actors/parameter_holder.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace troupe {

void parameter_holder::started() {
  copies_.started();
  if (copies_.lost()) say_lost();
}

// Whether there is a new one, who may not know what was said to the one before.
bool parameter_holder::is_director(const message& m) const {
  const auto* r = std::get_if<protocol::restarted>(&m);
  return r != nullptr && r->who == options_.director;
}

// A head that has no state yet hears nothing but its copies; a copy hears of it all once more.
void parameter_holder::receive(const message& m) {
  const bool of_copies = std::holds_alternative<protocol::want_copy>(m) ||
                         std::holds_alternative<protocol::holder_copy>(m);
  if (copies_.lost() && is_director(m)) say_lost();
  if (!copies_.recovering() || of_copies)
    role_of::receive(m);
  else if (copies_.is_head())
    early_.push_back(m);
}

void parameter_holder::write(holder_block& block, protocol::log_entry e) {
  block.index = copies_.write(std::move(e));
}

void parameter_holder::write_update(int index, const protocol::reduced_gradient& m) {
  auto& block = blocks_.at(index);
  write(block,
        {.kind = protocol::log_kind::update,
         .block = index,
         .step = m.step,
         .version = block.version,
         .digest = block.rule->digest(),
         .value = m.value,
         .addend = m.addend,
         .encoded = m.encoded});
}

void parameter_holder::on(const protocol::log_kept& m) {
  copies_.hear(m);
}

void parameter_holder::on(const protocol::log_entry& m) {
  if (!copies_.follow(m)) return;
  blocks_.at(m.block).entries.push_back(m);
  do_entries(m.block);
}

void parameter_holder::do_entries(int index) {
  auto& entries = blocks_.at(index).entries;
  while (!entries.empty()) {
    const auto e = entries.front();
    if (!do_entry(blocks_.at(index), e)) break;
  }
  if (copies_.asked()) answer_copies();
}

// False: it has to wait for what is computed.
bool parameter_holder::do_entry(holder_block& block, const protocol::log_entry& e) {
  const bool can = e.kind == protocol::log_kind::update ? !block.update
                   : e.kind == protocol::log_kind::read ? block.versions.contains(e.version)
                                                        : block.awaits_outer();
  if (!can) return false;
  block.entries.pop_front();
  switch (e.kind) {
  case protocol::log_kind::read:
    block.reads[e.step] = {e.version, e.lead, e.lead_bound, block.versions.at(e.version)};
    break;
  case protocol::log_kind::adopt:
    adopt(e.block, e.value);
    break;
  case protocol::log_kind::update:
    if (const auto own = block.rule->digest(); own != e.digest || block.version != e.version)
      world_.send(
          options_.director,
          protocol::job_failed{
              {.what = fmt::format("two copies of the parameters of {} differ before step {}",
                                   world_.self().text(),
                                   e.step),
               .where = fmt::format("block {}, version {}", e.block, block.version),
               .why = fmt::format("its digest is {:016x}; that of version {} at {} is {:016x}",
                                  own,
                                  e.version,
                                  options_.copies.front().text(),
                                  e.digest),
               .help = "a memory or a processor is faulty, or nodes compute with different "
                       "instructions: resume from the last checkpoint on others"}});
    begin_update(e.block, {e.step, e.block, e.value, e.addend, e.encoded});
  }
  return true;
}

void parameter_holder::on(const protocol::want_copy& m) {
  copies_.hear(m);
  if (copies_.recovering() && copies_.is_head()) {
    if (const auto state = copies_.newest(blocks_.size()))
      take_over(*state);
    else if (copies_.lost())
      say_lost();
  } else if (copies_.asked()) {
    answer_copies();
  }
}

void parameter_holder::answer_copies() {
  for (const auto& [index, block] : blocks_)
    if (!block.at_rest()) return;
  std::map<int, protocol::block_copy> out;
  for (const auto& [index, block] : blocks_)
    out.emplace(index, copy_of(block));
  copies_.answer(
      out, revision_, order_.kind == consistency_kind::asynchronous ? no_bound : order_.staleness);
  if (!copies_.is_head()) return;
  for (const auto& [index, block] : blocks_)
    update_next(index);
}

void parameter_holder::on(const protocol::holder_copy& m) {
  if (const auto state = copies_.hear(m, blocks_.size())) take_over(*state);
}

void parameter_holder::take_over(const holder_copies::state& s) {
  for (auto& [index, block] : blocks_) {
    troupe::take_over(block, s.blocks.at(index));
    block.index = s.index;
  }
  if (s.revision > revision_)
    on(protocol::set_credit{.staleness = s.staleness, .revision = s.revision});
  if (!copies_.is_head()) return;
  if (copies_.asked()) answer_copies();
  say_again();
  for (const auto& m : std::exchange(early_, {}))
    receive(m);
}

// What the head before may have said to nobody: it died, or its node did. Who heard it hears it
// twice.
void parameter_holder::say_again() {
  for (const auto& [index, block] : blocks_) {
    const auto b = static_cast<std::size_t>(index);
    if (!options_.order.as_they_come())
      for (const auto& reader : options_.readers[b])
        for (const auto& [version, value] : block.versions)
          say(block,
              reader,
              protocol::parameters{
                  .version = version, .step = version, .block = index, .value = value});
    for (const auto& [version, done] : block.told)
      say(block, options_.director, done);
    if (block.awaits_outer()) say(block, options_.outer_aggregators[b], block.outer->sent);
  }
}

void parameter_holder::say_lost() {
  world_.send(options_.director, protocol::state_lost{world_.self()});
}

} // namespace troupe
