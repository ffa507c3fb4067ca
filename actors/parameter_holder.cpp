#include "actors/parameter_holder.hpp"

#include "ops/assert.hpp"

#include <algorithm>
#include <utility>

namespace troupe {

namespace {

constexpr std::int64_t part_elements_min =
    16 * chunk_elements; // 1 MiB: below it one computation does it

protocol::parameters parameters_of(int block, std::uint64_t version, const tensor& value) {
  return {.version = version, .step = version, .block = block, .value = value};
}

} // namespace

parameter_holder::parameter_holder(context& world, parameter_holder_options options)
    : world_(world), options_(std::move(options)), order_(options_.order) {
  for (const auto& held : options_.blocks) {
    auto& block = blocks_[held.block];
    block.version = options_.version;
    block.versions[block.version] = held.parameters;
    block.rule =
        std::make_shared<block_rule>(*options_.layout, held.block, options_.rule, held.slots);
    block.clocks = clock_ledger(options_.workers, options_.version, options_.total_steps);
  }
}

void parameter_holder::on(const protocol::reduced_gradient& m) {
  auto& block = blocks_.at(m.block);
  if (options_.order.as_they_come()) {
    if (block.clocks.accept(m.step)) block.waiting[block.arrivals++] = m;
  } else if (m.step >= block.version + (block.update ? 1 : 0)) {
    block.waiting[m.step] = m;
  }
  update_next(m.block);
}

void parameter_holder::update_next(int index) {
  auto& block = blocks_.at(index);
  const auto found =
      options_.order.as_they_come() ? block.waiting.begin() : block.waiting.find(block.version);
  if (block.update || found == block.waiting.end()) return;
  const auto m = std::move(found->second);
  block.waiting.erase(found);

  auto update = std::make_shared<block_update>();
  update->block = block.rule;
  update->step = block.version;
  update->old_parameters = block.versions.at(block.version);
  update->gradient = m.value;
  update->addend = m.addend;
  update->new_parameters = buffer_pool::global().take(block.versions.at(block.version).dims());
  update->rule = options_.rule;
  update->rate = options_.rate.at(static_cast<std::int64_t>(block.version), options_.total_steps);
  update->microbatches = static_cast<float>(options_.microbatches);
  block.updating = {.step = m.step, .block = index};
  if (options_.order.as_they_come()) correct_staleness(block, *update);

  // A payload is decoded before the first chunk, so one computation does it all.
  const auto codec = m.encoded ? options_.codecs[static_cast<std::size_t>(index)] : nullptr;
  const auto parts = static_cast<std::size_t>(std::clamp<std::int64_t>(
      update->old_parameters.elements() / part_elements_min, 1, codec ? 1 : options_.parts_max));
  const std::size_t chunks = block.rule->chunks.size();
  block.update = update;
  block.parts_left = static_cast<int>(parts);
  for (std::size_t p = 0; p < parts; ++p)
    world_.compute(
        lane::updates,
        [update, codec, index, first = chunks * p / parts, last = chunks * (p + 1) / parts](
            computation& here) {
          if (codec) update->gradient = codec->decode(update->gradient);
          update->run(first, last);
          here.post(protocol::updated{update->step, index});
        });
}

// What the worker had read when it computed the gradient decides how it is applied.
void parameter_holder::correct_staleness(block_state& block, block_update& update) const {
  const auto& read = block.reads[block.clocks.worker_of(block.updating.step)];
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
  const auto update = std::exchange(block.update, nullptr);
  ++block.version;
  block.versions[block.version] = std::move(update->new_parameters).freeze();
  while (block.versions.size() > options_.versions_kept)
    block.versions.erase(block.versions.begin());
  if (!options_.order.as_they_come())
    for (const auto& reader : options_.readers[static_cast<std::size_t>(m.block)])
      world_.send(reader, parameters_of(m.block, block.version, block.versions[block.version]));
  else
    block.clocks.apply(block.updating.step);
  auto done = block.updating;
  done.digest = block.rule->digest();
  done.version = block.version;
  world_.send(options_.director, done);
  answer_pulls(m.block);
  update_next(m.block);
}

void parameter_holder::on(const protocol::want_parameters& m) {
  for (const auto& [index, block] : blocks_)
    for (const auto& [version, value] : block.versions)
      world_.send(m.reply_to, parameters_of(index, version, value));
}

void parameter_holder::on(const protocol::pull_parameters& m) {
  for (auto& [index, block] : blocks_) {
    const auto& readers = options_.readers[static_cast<std::size_t>(index)];
    if (std::find(readers.begin(), readers.end(), m.reply_to) == readers.end()) continue;
    std::erase_if(block.pulls, [&](const auto& p) { return p.reply_to == m.reply_to; });
    block.pulls.push_back(m);
    answer_pulls(index);
  }
}

void parameter_holder::answer_pulls(int index) {
  auto& block = blocks_.at(index);
  std::erase_if(block.pulls, [&](const protocol::pull_parameters& p) {
    if (!block.clocks.may_read(p.step, order_)) return false;
    const auto lead = block.clocks.lead_of(p.step);
    const auto bound = order_.kind == consistency_kind::bounded ? order_.staleness : no_bound;
    credit_.note(world_, {credit_kind::staleness, world_.self(), p.reply_to, bound, lead});
    const auto known = p.known.find(index);
    const bool same = known != p.known.end() && known->second == block.version;
    const tensor& value = block.versions.at(block.version);
    block.reads[block.clocks.worker_of(p.step)] = {
        block.version, lead, bound, options_.order.delay_compensation != 0 ? value : tensor{}};
    world_.send(p.reply_to,
                protocol::parameters{block.version, p.step, index, same ? tensor{} : value});
    return true;
  });
}

// Who asked while the bound was lower may read now; who asked while it was higher waits.
void parameter_holder::on(const protocol::set_credit& m) {
  if (m.revision <= revision_) return;
  revision_ = m.revision;
  order_.kind =
      m.staleness == no_bound ? consistency_kind::asynchronous : consistency_kind::bounded;
  order_.staleness = m.staleness;
  for (const auto& [index, block] : blocks_)
    answer_pulls(index);
}

void parameter_holder::on(const protocol::want_state& m) {
  for (auto& [index, block] : blocks_) {
    std::vector<tensor> slots;
    for (auto& slot : block.rule->slots)
      slots.push_back(make_tensor(slot.dims(), slot.values()));
    world_.send(
        m.reply_to,
        protocol::state{
            m.request, block.version, index, block.versions.at(block.version), std::move(slots)});
  }
}

} // namespace troupe
