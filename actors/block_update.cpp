#include "actors/block_update.hpp"

#include "ops/assert.hpp"
#include "ops/flat.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

namespace troupe {

namespace {

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

} // namespace

block_rule::block_rule(const parameter_layout& layout,
                       int index,
                       const optimizer& rule,
                       const std::vector<tensor>& start)
    : trainable(layout.blocks[static_cast<std::size_t>(index)].trainable),
      chunks(chunks_of(layout, index)),
      at_rest(start.empty()),
      digests(chunks.size()) {
  for (int k = 0; k < troupe::slots(rule); ++k) {
    auto slot = buffer_pool::global().take({trainable});
    if (start.empty())
      std::fill_n(slot.data(), trainable, 0.0F);
    else
      std::copy_n(start[static_cast<std::size_t>(k)].data(), trainable, slot.data());
    slots.push_back(std::move(slot));
  }
}

const std::vector<tensor>& block_rule::freeze() {
  for (auto& slot : slots)
    frozen.push_back(std::move(slot).freeze());
  slots.clear();
  return frozen;
}

std::vector<tensor> block_rule::thaw() {
  for (const tensor& old : frozen)
    slots.push_back(buffer_pool::global().take(old.dims()));
  return std::exchange(frozen, {});
}

std::uint64_t block_rule::digest() const {
  return std::accumulate(digests.begin(), digests.end(), std::uint64_t{0});
}

void block_rule::digest_again(const tensor& parameters) {
  for (std::size_t i = 0; i < chunks.size(); ++i)
    digest_chunk(i, parameters.data());
}

void block_rule::digest_chunk(std::size_t i, const float* parameters) {
  const update_chunk& c = chunks[i];
  digests[i] = chunk_digest(
      c.parameter, c.chunk, {parameters + c.first, static_cast<std::size_t>(c.stored)});
}

bool block_update::is_at_rest() const {
  return block->at_rest && old_parameters.is_zeros() && gradient.is_zeros() &&
         (!addend || addend.is_zeros()) && !round_start;
}

// The same in every step, so once.
void block_update::digest_old(std::size_t first_chunk, std::size_t last_chunk) {
  for (std::size_t i = first_chunk; i < last_chunk; ++i)
    if (block->digests[i] == 0) block->digest_chunk(i, old_parameters.data());
}

// Chunks [first_chunk, last_chunk): sum, update, digest while the chunk is in the cache.
void block_update::run(std::size_t first_chunk, std::size_t last_chunk) {
  if (!new_parameters) return digest_old(first_chunk, last_chunk);
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
    if (c.statistic) {
      follow(c, total);
    } else {
      if (read_parameters) { // sum may be total: element by element
        const float *now = old_parameters.data() + c.first,
                    *then = read_parameters.data() + c.first;
        for (std::size_t k = 0; k < size; ++k)
          sum[k] = total[k] + compensation * total[k] * total[k] * (now[k] - then[k]);
        total = sum.data();
      }
      learn(c, total);
    }
    if (round_start) compare(c);
    block->digest_chunk(i, new_parameters.data());
  }
}

std::int64_t block_update::elements(std::size_t first_chunk, std::size_t last_chunk) const {
  if (first_chunk == last_chunk) return 0;
  return block->chunks[last_chunk - 1].last - block->chunks[first_chunk].first;
}

void block_update::learn(const update_chunk& c, const float* gradient_sum) {
  const auto size = static_cast<std::size_t>(c.last - c.first);
  float* state[2] = {};
  for (std::size_t k = 0; k < block->slots.size(); ++k) {
    state[k] = block->slots[k].data() + c.first;
    if (!old_slots.empty()) std::copy_n(old_slots[k].data() + c.first, size, state[k]);
  }
  update(rule,
         rate,
         static_cast<std::int64_t>(step),
         {old_parameters.data() + c.first, size},
         {gradient_sum, size},
         {new_parameters.data() + c.first, size},
         {state, block->slots.size()});
}

void block_update::compare(const update_chunk& c) {
  const float *const then = round_start.data(), *const now = new_parameters.data();
  float* const out = delta.data();
  for (std::int64_t i = c.first; i < c.last; ++i)
    out[i] = c.statistic ? now[i] : (then[i] - now[i]) / islands;
}

// running = (1 - momentum) * running + momentum * mean over the microbatches
void block_update::follow(const update_chunk& c, const float* measured) {
  const float* const old = old_parameters.data() + c.first;
  float* const out = new_parameters.data() + c.first;
  std::copy_n(old, c.last - c.first, out); // padding too
  for (std::int64_t i = 0; i < c.stored; ++i)
    out[i] = (1.0F - c.momentum) * old[i] + c.momentum * (measured[i] / microbatches);
}

} // namespace troupe
