#include "actors/parameter_holder.hpp"

#include "ops/assert.hpp"

#include <algorithm>
#include <utility>

namespace troupe {

namespace {

constexpr std::int64_t part_elements_min =
    16 * chunk_elements; // 1 MiB: below it one computation does it

mutable_tensor copy_of(const tensor& from, std::int64_t elements) {
  auto out = buffer_pool::global().take({elements});
  if (from)
    std::copy_n(from.data(), elements, out.data());
  else
    std::fill_n(out.data(), elements, 0.0F);
  return out;
}

protocol::parameters parameters_of(int block, std::uint64_t version, const tensor& value) {
  return {.version = version, .step = version, .block = block, .value = value};
}

} // namespace

parameter_holder::parameter_holder(context& world, parameter_holder_options options)
    : world_(world),
      options_(std::move(options)),
      order_(options_.order),
      copies_(world, options_.copies, !options_.blocks.empty()),
      shard_(world, options_.layout) {
  for (const auto& held : options_.blocks) {
    auto& block = blocks_[held.block];
    block.version = options_.version;
    block.versions[block.version] = held.parameters;
    block.rule =
        std::make_shared<block_rule>(*options_.layout, held.block, options_.rule, held.slots);
    block.clocks = clock_ledger(options_.workers, options_.version);
    if (options_.island == 0) continue;
    block.outer = std::make_shared<outer_step>();
    block.outer->round_start = held.round_start;
    if (const auto codec = codec_of(held.block); codec && codec->residual_elements() > 0)
      block.outer->residual = copy_of(held.residual, codec->residual_elements());
  }
}

void parameter_holder::on(const protocol::reduced_gradient& m) {
  auto& block = blocks_.at(m.block);
  if (options_.order.as_they_come()) {
    if (block.clocks.accept(m.step)) block.waiting[block.arrivals++] = m;
  } else if (m.step >= (block.update ? next_step(block) + 1 : block.version)) {
    block.waiting[m.step] = m;
  }
  update_next(m.block);
}

// Whose gradient makes the next version: of the outer parameters, the last step of the round.
std::uint64_t parameter_holder::next_step(const holder_block& block) const {
  return options_.island > 0 ? block.version : options_.rounds.end_of(block.version) - 1;
}

std::shared_ptr<const block_codec> parameter_holder::codec_of(int block) const {
  return options_.codecs.empty() ? nullptr : options_.codecs[static_cast<std::size_t>(block)];
}

void parameter_holder::update_next(int index) {
  if (!copies_.is_head()) return do_entries(index);
  if (copies_.asked()) return;
  auto& block = blocks_.at(index);
  const auto found =
      options_.order.as_they_come() ? block.waiting.begin() : block.waiting.find(next_step(block));
  if (block.update || found == block.waiting.end()) return;
  const auto m = std::move(found->second);
  block.waiting.erase(found);
  if (!copies_.alone()) write_update(index, m);
  begin_update(index, m);
}

void parameter_holder::begin_update(int index, const protocol::reduced_gradient& m) {
  auto& block = blocks_.at(index);
  // Of the step before this one the director may have lost the reports: who computes it again needs
  // the version before. Nobody began this step before all older ones were on record.
  while (block.versions.size() > options_.versions_kept)
    block.versions.erase(block.versions.begin());
  auto update = std::make_shared<block_update>();
  update->block = block.rule;
  update->step = options_.island > 0 ? block.version : options_.rounds.count_to(block.version);
  update->old_parameters = block.versions.at(block.version);
  update->gradient = m.value;
  update->addend = m.addend;
  update->rule = options_.rule;
  update->rate = options_.rate.at(static_cast<std::int64_t>(update->step), options_.total_steps);
  update->microbatches = static_cast<float>(options_.microbatches);
  block.updating = {.step = m.step, .block = index, .island = options_.island};
  if (options_.order.as_they_come()) correct_staleness(block, *update);

  if (block.outer && options_.rounds.ends_with(block.version)) {
    update->round_start = block.outer->round_start;
    update->islands = static_cast<float>(options_.islands);
    update->delta = buffer_pool::global().take(update->old_parameters.dims());
  }
  block.rule->at_rest = update->is_at_rest();
  if (!block.rule->at_rest) {
    update->new_parameters = buffer_pool::global().take(update->old_parameters.dims());
    update->old_slots = block.rule->thaw();
  }
  block.update = std::move(update);
  compute_update(index, m.encoded);
}

void parameter_holder::compute_update(int index, bool encoded) {
  auto& block = blocks_.at(index);
  const auto& update = block.update;
  // A payload is decoded before the first chunk, and encoded after the last one: then one
  // computation does it all.
  const auto decoder = encoded ? codec_of(index) : nullptr;
  const auto encoder = update->round_start ? codec_of(index) : nullptr;
  const auto parts = static_cast<std::size_t>(
      std::clamp<std::int64_t>(update->old_parameters.elements() / part_elements_min,
                               1,
                               decoder || encoder ? 1 : options_.parts_max));
  const tensor old_residual = encoder ? block.outer->thaw_residual() : tensor{};
  const std::size_t chunks = block.rule->chunks.size();
  block.parts_left = static_cast<int>(parts);
  for (std::size_t p = 0; p < parts; ++p)
    world_.compute(
        lane::updates,
        [update,
         decoder,
         encoder,
         outer = block.outer,
         old_residual,
         key = codec_key{options_.seed, block.version, 0, options_.island - 1},
         index,
         first = chunks * p / parts,
         last = chunks * (p + 1) / parts](computation& here) {
          here.begin(
              {.kind = work_kind::update, .amount = update->elements(first, last), .which = index});
          if (decoder) update->gradient = decoder->decode(update->gradient);
          update->run(first, last);
          if (old_residual) outer->copy_residual(old_residual);
          if (encoder)
            update->payload =
                encoder->encode(std::move(update->delta).freeze(), outer->residual.values(), key);
          here.post(protocol::updated{update->step, index});
        });
}

// What the worker had read when it computed the gradient decides how it is applied.
void parameter_holder::correct_staleness(holder_block& block, block_update& update) const {
  const auto& read = block.reads.at(block.updating.step);
  block.updating.staleness = block.version - std::min(block.version, read.version);
  block.updating.lead = read.lead;
  block.updating.lead_bound = read.lead_bound;
  if (options_.order.staleness_aware)
    update.rate /= static_cast<float>(std::max<std::uint64_t>(1, block.updating.staleness));
  if (options_.order.delay_compensation != 0 && block.updating.staleness > 0) {
    update.read_parameters = read.parameters;
    update.compensation = options_.order.delay_compensation;
  }
}

void parameter_holder::on(const protocol::updated& m) {
  auto& block = blocks_.at(m.block);
  if (--block.parts_left > 0) return;
  if (!block.outer || !block.update->round_start) {
    const auto update = std::exchange(block.update, nullptr);
    publish(m.block,
            update->new_parameters ? std::move(update->new_parameters).freeze()
                                   : std::move(update->old_parameters));
  } else if (!block.outer->adopted) {
    send_delta(m.block);
  } else {
    block.update = nullptr; // sums that came meanwhile are of this step
    block.outer->sent = {};
    block.outer->round_start = std::exchange(block.outer->adopted, {});
    publish(m.block, block.outer->round_start);
  }
  if (copies_.asked()) answer_copies();
}

// What the island has made of the parameters in this round goes; it is back as a part of the mean.
void parameter_holder::send_delta(int index) {
  auto& block = blocks_.at(index);
  auto& update = *block.update;
  const bool encoded = static_cast<bool>(update.payload);
  auto value = encoded ? std::move(update.payload) : std::move(update.delta).freeze();
  update.new_parameters = {};
  const tree_span own{options_.island - 1, 1};
  block.outer->sent = {block.version, index, own, std::move(value), encoded};
  say(block, options_.outer_aggregators[static_cast<std::size_t>(index)], block.outer->sent);
  if (!copies_.is_head()) do_entries(index);
}

void parameter_holder::on(const protocol::parameters& m) {
  auto& block = blocks_.at(m.block);
  if (!block.awaits_outer() || m.version != block.version + 1) return;
  if (!copies_.alone())
    write(block,
          {.kind = protocol::log_kind::adopt,
           .block = m.block,
           .step = m.step,
           .version = m.version,
           .value = m.value});
  adopt(m.block, m.value);
}

void parameter_holder::adopt(int index, const tensor& outer) {
  auto& block = blocks_.at(index);
  block.outer->adopted = outer;
  block.parts_left = 1;
  world_.compute(lane::updates,
                 [rule = block.rule, outer, step = block.version, index](computation& here) {
                   here.begin({.kind = work_kind::sum, .amount = outer.elements(), .which = index});
                   rule->digest_again(outer);
                   here.post(protocol::updated{step, index});
                 });
}

void parameter_holder::on(const protocol::restarted& m) {
  for (const auto& [index, block] : blocks_) {
    const auto b = static_cast<std::size_t>(index);
    // The newest first: its step may be on record, and the one that waits needs its digest.
    if (m.who == options_.director)
      for (auto done = block.told.rbegin(); done != block.told.rend(); ++done)
        say(block, m.who, done->second);
    if (block.outer && block.outer->sent.value && options_.outer_aggregators[b] == m.who)
      say(block, m.who, block.outer->sent);
    const auto& readers = options_.readers[b];
    if (m.who.role == role_kind::parameter_holder &&
        std::find(readers.begin(), readers.end(), m.who) != readers.end())
      say(block, m.who, parameters_of(index, block.version, block.versions.at(block.version)));
  }
}

void parameter_holder::publish(int index, tensor parameters) {
  auto& block = blocks_.at(index);
  block.version = next_step(block) + 1;
  block.versions[block.version] = std::move(parameters);
  keep_if_saved(block);
  if (!options_.order.as_they_come())
    for (const auto& reader : options_.readers[static_cast<std::size_t>(index)])
      say(block, reader, parameters_of(index, block.version, block.versions[block.version]));
  else
    apply_clock(block);
  auto done = block.updating;
  done.digest = block.rule->digest();
  done.version = block.version;
  // A step is done when the islands have what it made of the outer parameters.
  if (options_.islands == 0 || options_.island > 0) tell(block, done);
  answer_pulls(index);
  update_next(index);
}

// What others see of a block is what all of its copies have.
void parameter_holder::say(const holder_block& block, const address& to, message m) {
  copies_.say(block.index, to, std::move(m));
}

void parameter_holder::tell(holder_block& block, const protocol::committed& done) {
  block.told[block.version] = done;
  if (!options_.order.as_they_come() && block.told.size() > options_.commits_kept)
    block.told.erase(block.told.begin());
  say(block, options_.director, done);
}

// All stages of the worker had begun this step, so all blocks have applied the one before: nobody
// computes that one any more. This one is needed until all have applied it.
void parameter_holder::apply_clock(holder_block& block) {
  const auto step = block.updating.step;
  block.clocks.apply(step);
  std::erase_if(block.reads, [&](const auto& read) {
    return read.first < step && block.clocks.worker_of(read.first) == block.clocks.worker_of(step);
  });
}

void parameter_holder::on(const protocol::want_parameters& m) {
  for (const auto& [index, block] : blocks_)
    for (auto at = block.versions.lower_bound(m.oldest); at != block.versions.end(); ++at)
      say(block, m.reply_to, parameters_of(index, at->first, at->second));
}

void parameter_holder::on(const protocol::pull_parameters& m) {
  for (auto& [index, block] : blocks_) {
    const auto& readers = options_.readers[static_cast<std::size_t>(index)];
    if (std::find(readers.begin(), readers.end(), m.reply_to) == readers.end()) continue;
    // An older one may come late: it must not displace what the worker waits for.
    std::erase_if(block.pulls,
                  [&](const auto& p) { return p.reply_to == m.reply_to && p.step == m.step; });
    block.pulls.push_back(m);
    forget_commits(block, m.recorded);
    answer_pulls(index);
  }
}

// Of workers' updates; but the newest, of which the digest of the parameters is made.
void parameter_holder::forget_commits(holder_block& block, std::uint64_t recorded) {
  std::erase_if(block.told, [&, newest = block.version](const auto& told) {
    return told.first != newest && told.second.step < recorded;
  });
}

void parameter_holder::answer_pulls(int index) {
  auto& block = blocks_.at(index);
  std::erase_if(block.pulls, [&](const protocol::pull_parameters& p) {
    auto found = block.reads.find(p.step);
    if (found == block.reads.end()) {
      if (!block.clocks.may_read(p.step, order_)) return false;
      found = block.reads.emplace(p.step, read_now(index, p)).first;
      if (!copies_.alone())
        write(block,
              {.kind = protocol::log_kind::read,
               .block = index,
               .step = p.step,
               .version = found->second.version,
               .lead = found->second.lead,
               .lead_bound = found->second.lead_bound});
    }
    const auto& read = found->second;
    const auto known = p.known.find(index);
    const bool same = known != p.known.end() && known->second == read.version;
    say(block,
        p.reply_to,
        protocol::parameters{read.version, p.step, index, same ? tensor{} : read.parameters});
    return true;
  });
}

worker_read parameter_holder::read_now(int index, const protocol::pull_parameters& p) {
  const auto& block = blocks_.at(index);
  const auto lead = block.clocks.lead_of(p.step);
  const auto bound = order_.kind == consistency_kind::bounded ? order_.staleness : no_bound;
  credit_.note(world_, {credit_kind::staleness, world_.self(), p.reply_to, bound, lead});
  return {block.version, lead, bound, block.versions.at(block.version)};
}

// Who asked while the bound was lower may read now; who asked while it was higher waits.
void parameter_holder::on(const protocol::set_credit& m) {
  if (m.revision <= revision_) return;
  revision_ = m.revision;
  order_.kind =
      m.staleness == no_bound ? consistency_kind::asynchronous : consistency_kind::bounded;
  order_.staleness = m.staleness;
  if (!copies_.is_head()) return;
  copies_.to_all(m); // whatever was read within this bound, they know it
  for (const auto& [index, block] : blocks_)
    answer_pulls(index);
}

} // namespace troupe
