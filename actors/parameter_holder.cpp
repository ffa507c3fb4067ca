#include "actors/parameter_holder.hpp"

#include "ops/assert.hpp"
#include "ops/flat.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

namespace troupe {

namespace {

constexpr std::int64_t part_elements_min =
    16 * chunk_elements; // 1 MiB: below it one computation does it

// What is updated and hashed in one go. [first, last) of the block, padding included; the first
// `stored` of them are values of the parameter.
struct update_chunk {
  std::int64_t first = 0, last = 0, stored = 0;
  int parameter = 0;
  std::int64_t chunk = 0; // of the parameter
  bool statistic = false;
  float momentum = 0; // of a statistic
};

std::vector<update_chunk> chunks_of(const parameter_layout& layout, int block) {
  std::vector<update_chunk> out;
  for (const stored_range& r : layout.ranges_of_block(block)) {
    const auto& spec = layout.specs[static_cast<std::size_t>(r.parameter)];
    for (std::int64_t at = 0; at < r.size; at += chunk_elements) {
      const std::int64_t first = r.offset + at, stored = std::min(chunk_elements, r.size - at);
      if (!out.empty()) out.back().last = first; // with the padding between parameters
      out.push_back({first,
                     first + stored,
                     stored,
                     r.parameter,
                     (r.first + at) / chunk_elements,
                     spec.kind == parameter_kind::statistic,
                     spec.momentum});
    }
  }
  if (!out.empty()) out.back().last = layout.blocks[static_cast<std::size_t>(block)].size;
  return out;
}

protocol::parameters parameters_of(int block, std::uint64_t version, const tensor& value) {
  return {.version = version, .step = version, .block = block, .value = value};
}

} // namespace

// What an update of a block changes in place, and what it reads in every step. Computations share
// it: they may outlive the holder.
struct parameter_holder::block_rule {
  std::int64_t trainable = 0;
  std::vector<update_chunk> chunks;
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

  void run(std::size_t first_chunk, std::size_t last_chunk);
  void learn(const update_chunk& c, const float* gradient_sum);
  void follow(const update_chunk& c, const float* measured);
};

// Chunks [first_chunk, last_chunk): sum, update, digest while the chunk is in the cache.
void parameter_holder::block_update::run(std::size_t first_chunk, std::size_t last_chunk) {
  constexpr std::int64_t padding_max = 64;                         // floats between two parameters
  alignas(64) std::array<float, chunk_elements + padding_max> sum; // NOLINT(*-member-init)
  for (std::size_t i = first_chunk; i < last_chunk; ++i) {
    const update_chunk& c = block->chunks[i];
    const auto size = static_cast<std::size_t>(c.last - c.first);
    TROUPE_ASSERT(size <= sum.size(), "padding is less than a line");
    const float* total = gradient.data() + c.first;
    if (addend) {
      flat_sum({total, size}, {addend.data() + c.first, size}, {sum.data(), size});
      total = sum.data();
    }
    if (c.statistic)
      follow(c, total);
    else
      learn(c, total);
    block->digests[i] =
        chunk_digest(c.parameter,
                     c.chunk,
                     {new_parameters.data() + c.first, static_cast<std::size_t>(c.stored)});
  }
}

void parameter_holder::block_update::learn(const update_chunk& c, const float* gradient_sum) {
  const auto size = static_cast<std::size_t>(c.last - c.first);
  float* state[2] = {};
  for (std::size_t k = 0; k < block->slots.size(); ++k)
    state[k] = block->slots[k].data() + c.first;
  update(rule,
         rate,
         static_cast<std::int64_t>(step),
         {old_parameters.data() + c.first, size},
         {gradient_sum, size},
         {new_parameters.data() + c.first, size},
         {state, block->slots.size()});
}

// running = (1 - momentum) * running + momentum * mean over the microbatches
void parameter_holder::block_update::follow(const update_chunk& c, const float* measured) {
  const float* const old = old_parameters.data() + c.first;
  float* const out = new_parameters.data() + c.first;
  std::copy_n(old, c.last - c.first, out); // padding too
  for (std::int64_t i = 0; i < c.stored; ++i)
    out[i] = (1.0F - c.momentum) * old[i] + c.momentum * (measured[i] / microbatches);
}

parameter_holder::parameter_holder(context& world, parameter_holder_options options)
    : world_(world), options_(std::move(options)) {
  for (const auto& held : options_.blocks) {
    auto& block = blocks_[held.block];
    block.version = options_.version;
    block.parameters = held.parameters;
    block.rule = std::make_shared<block_rule>();
    block.rule->trainable = options_.layout->blocks[static_cast<std::size_t>(held.block)].trainable;
    block.rule->chunks = chunks_of(*options_.layout, held.block);
    block.rule->digests.resize(block.rule->chunks.size());
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

  const auto parts = static_cast<std::size_t>(std::clamp<std::int64_t>(
      block.parameters.elements() / part_elements_min, 1, options_.parts_max));
  const std::size_t chunks = block.rule->chunks.size();
  block.update = update;
  block.parts_left = static_cast<int>(parts);
  for (std::size_t p = 0; p < parts; ++p)
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
  for (const auto& reader : options_.readers[static_cast<std::size_t>(m.block)])
    world_.send(reader, parameters_of(m.block, block.version, block.parameters));
  world_.send(options_.director,
              protocol::committed{m.step,
                                  m.block,
                                  std::accumulate(block.rule->digests.begin(),
                                                  block.rule->digests.end(),
                                                  std::uint64_t{0})});
}

void parameter_holder::on(const protocol::want_parameters& m) {
  for (const auto& [index, block] : blocks_) {
    if (block.previous)
      world_.send(m.reply_to, parameters_of(index, block.version - 1, block.previous));
    world_.send(m.reply_to, parameters_of(index, block.version, block.parameters));
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

} // namespace troupe
