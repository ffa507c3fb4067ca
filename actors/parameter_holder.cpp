#include "actors/parameter_holder.hpp"

#include "ops/assert.hpp"
#include "ops/digest.hpp"
#include "ops/flat.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace troupe {

namespace {

constexpr std::int64_t chunk_elements = 16 * 1024;
constexpr std::int64_t part_elements_min =
    16 * chunk_elements; // 1 MiB: below it one computation does it

std::int64_t chunks_of(std::int64_t elements) {
  return (elements + chunk_elements - 1) / chunk_elements;
}

std::uint64_t combined(std::span<const std::uint64_t> chunks) {
  std::uint64_t out = 0;
  for (const auto c : chunks)
    out = digest_combine(out, c);
  return out;
}

struct statistic_range {
  std::int64_t offset, size;
  float momentum;
};

std::vector<statistic_range> statistics_of(const parameter_layout& layout, int block) {
  std::vector<statistic_range> out;
  for (std::size_t i = 0; i < layout.specs.size(); ++i) {
    const auto& place = layout.places[i];
    if (place.block == block && layout.specs[i].kind == parameter_kind::statistic)
      out.push_back({place.offset, place.size, layout.specs[i].momentum});
  }
  return out;
}

} // namespace

// What an update of a block changes in place, and what it reads in every step. Computations share
// it: they may outlive the holder.
struct parameter_holder::block_rule {
  std::int64_t trainable = 0;
  std::vector<statistic_range> statistics;
  std::vector<mutable_tensor> slots;
  std::vector<std::uint64_t> digests; // per chunk, of the newest version
};

// One block between two versions.
struct parameter_holder::block_update {
  std::shared_ptr<block_rule> block;
  std::uint64_t step = 0;
  tensor old_parameters;
  tensor gradient, addend; // to be added to the gradient, if there is one
  mutable_tensor new_parameters;
  optimizer rule;
  float rate = 0;
  float microbatches = 1;

  void run(std::int64_t first_chunk, std::int64_t last_chunk);
  void follow(std::int64_t first, std::int64_t last, const float* measured);
};

// Chunks [first_chunk, last_chunk): sum, update, digest while the chunk is in the cache.
void parameter_holder::block_update::run(std::int64_t first_chunk, std::int64_t last_chunk) {
  const std::int64_t size = old_parameters.elements();
  float* const out = new_parameters.data();
  alignas(64) std::array<float, chunk_elements> sum; // NOLINT(*-member-init): written, then read
  for (std::int64_t c = first_chunk; c < last_chunk; ++c) {
    const std::int64_t first = c * chunk_elements, last = std::min(size, first + chunk_elements);
    const std::int64_t trained = std::clamp(block->trainable, first, last);
    const auto all = static_cast<std::size_t>(last - first);
    const float* total = gradient.data() + first;
    if (addend) {
      flat_sum({total, all}, {addend.data() + first, all}, {sum.data(), all});
      total = sum.data();
    }
    const auto n = static_cast<std::size_t>(trained - first);
    if (n > 0) {
      float* state[2] = {};
      for (std::size_t k = 0; k < block->slots.size(); ++k)
        state[k] = block->slots[k].data() + first;
      update(rule,
             rate,
             static_cast<std::int64_t>(step),
             {old_parameters.data() + first, n},
             {total, n},
             {out + first, n},
             {state, block->slots.size()});
    }
    if (trained < last) follow(trained, last, total + n);
    block->digests[static_cast<std::size_t>(c)] = digest_of(out + first, all * sizeof(float));
  }
}

// running = (1 - momentum) * running + momentum * mean over the microbatches
void parameter_holder::block_update::follow(std::int64_t first,
                                            std::int64_t last,
                                            const float* measured) {
  float* const out = new_parameters.data();
  std::copy(
      old_parameters.data() + first, old_parameters.data() + last, out + first); // padding too
  for (const auto& s : block->statistics)
    for (std::int64_t i = std::max(first, s.offset); i < std::min(last, s.offset + s.size); ++i)
      out[i] = (1.0F - s.momentum) * old_parameters.data()[i] +
               s.momentum * (measured[i - first] / microbatches);
}

parameter_holder::parameter_holder(context& world, parameter_holder_options options)
    : world_(world), options_(std::move(options)) {
  for (const auto& held : options_.blocks) {
    auto& block = blocks_[held.block];
    block.version = options_.version;
    block.parameters = held.parameters;
    block.rule = std::make_shared<block_rule>();
    block.rule->trainable = options_.layout->blocks[static_cast<std::size_t>(held.block)].trainable;
    block.rule->statistics = statistics_of(*options_.layout, held.block);
    block.rule->digests.resize(static_cast<std::size_t>(chunks_of(held.parameters.elements())));
    const auto trainable = block.rule->trainable;
    for (int k = 0; k < slots(options_.rule); ++k) {
      auto slot = buffer_pool::global().take({trainable});
      if (held.slots.empty())
        std::fill_n(slot.data(), trainable, 0.0F);
      else
        std::copy_n(held.slots[static_cast<std::size_t>(k)].data(), trainable, slot.data());
      block.rule->slots.push_back(std::move(slot));
    }
  }
}

void parameter_holder::on(const protocol::reduced_gradient& m) {
  auto& block = blocks_.at(m.block);
  if (m.step < block.version || block.update) return; // applied, or being applied
  TROUPE_ASSERT(m.step == block.version, "a gradient of a step that has not begun");

  auto update = std::make_shared<block_update>();
  update->block = block.rule;
  update->step = m.step;
  update->old_parameters = block.parameters;
  update->gradient = m.value;
  update->addend = m.addend;
  update->new_parameters = buffer_pool::global().take(block.parameters.dims());
  update->rule = options_.rule;
  update->rate = options_.rate.at(static_cast<std::int64_t>(m.step), options_.total_steps);
  update->microbatches = static_cast<float>(options_.microbatches);

  const std::int64_t chunks = chunks_of(block.parameters.elements());
  const std::int64_t parts = std::clamp<std::int64_t>(
      block.parameters.elements() / part_elements_min, 1, options_.parts_max);
  block.update = update;
  block.parts_left = static_cast<int>(parts);
  for (std::int64_t p = 0; p < parts; ++p)
    world_.compute(
        lane::updates,
        [update, index = m.block, first = chunks * p / parts, last = chunks * (p + 1) / parts](
            computation& here) {
          update->run(first, last);
          here.post(protocol::updated{update->step, index});
        });
}

void parameter_holder::on(const protocol::updated& m) {
  auto& block = blocks_.at(m.block);
  if (--block.parts_left > 0) return;
  const auto update = std::exchange(block.update, nullptr);
  block.previous = std::move(block.parameters);
  block.parameters = std::move(update->new_parameters).freeze();
  block.version = m.step + 1;
  for (const auto& reader : options_.readers)
    world_.send(reader, protocol::parameters{block.version, m.block, block.parameters});
  world_.send(options_.director,
              protocol::committed{m.step, m.block, combined(block.rule->digests)});
}

void parameter_holder::on(const protocol::want_parameters& m) {
  for (const auto& [index, block] : blocks_) {
    if (block.previous)
      world_.send(m.reply_to, protocol::parameters{block.version - 1, index, block.previous});
    world_.send(m.reply_to, protocol::parameters{block.version, index, block.parameters});
  }
}

void parameter_holder::on(const protocol::want_state& m) {
  for (auto& [index, block] : blocks_) {
    std::vector<tensor> slots;
    for (auto& slot : block.rule->slots)
      slots.push_back(make_tensor(slot.dims(), slot.values()));
    world_.send(
        m.reply_to,
        protocol::state{m.request, block.version, index, block.parameters, std::move(slots)});
  }
}

std::uint64_t block_digest(const tensor& parameters) {
  const std::int64_t size = parameters.elements();
  std::uint64_t out = 0;
  for (std::int64_t first = 0; first < size; first += chunk_elements)
    out =
        digest_combine(out,
                       digest_of(parameters.data() + first,
                                 static_cast<std::size_t>(std::min(size - first, chunk_elements)) *
                                     sizeof(float)));
  return out;
}

} // namespace troupe
