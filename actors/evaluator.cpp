#include "actors/evaluator.hpp"

#include <algorithm>
#include <utility>

namespace troupe {

evaluator::evaluator(context& world, evaluator_options options)
    : world_(world), options_(std::make_shared<evaluator_options>(std::move(options))) {}

void evaluator::on(const protocol::evaluate& m) {
  if ((wanted_ && wanted_->round == m.round) || m.round < newest_) return;
  newest_ = m.round;
  wanted_ = m;
  incoming_.assign(static_cast<std::size_t>(options_->blocks), {});
  for (const auto& holder : options_->holders)
    world_.send(holder, protocol::want_parameters{world_.self(), m.version});
}

std::vector<wait> evaluator::waits() const {
  std::vector<wait> out;
  if (!wanted_) return out;
  if (computed_ == wanted_->round)
    return {{.what = wait_kind::computation, .from = world_.self(), .step = wanted_->version}};
  for (std::size_t b = 0; b < incoming_.size(); ++b)
    if (!incoming_[b].value)
      out.push_back({.what = wait_kind::parameters,
                     .step = wanted_->version,
                     .block = static_cast<int>(b),
                     .blocks = 1});
  return out;
}

void evaluator::on(const protocol::restarted& m) {
  const auto& holders = options_->holders;
  if (wanted_ && std::find(holders.begin(), holders.end(), m.who) != holders.end())
    world_.send(m.who, protocol::want_parameters{world_.self()});
}

void evaluator::on(const protocol::parameters& m) {
  if (!wanted_ || m.version != wanted_->version) return;
  incoming_[static_cast<std::size_t>(m.block)] = m;
  std::vector<tensor> blocks;
  for (const auto& block : incoming_) {
    if (!block.value) return;
    blocks.push_back(block.value);
  }
  incoming_.assign(incoming_.size(), {});
  computed_ = wanted_->round;
  world_.compute(
      lane::kernels,
      [options = options_, blocks = std::move(blocks), round = wanted_->round](computation& here) {
        protocol::evaluated out{.round = round, .part = options->part};
        pool<program>::with(options->programs->take(), [&](program& p) {
          p.cancel_when(&here.cancelled());
          p.bind(blocks);
          const auto images = [](const dataset_ptr& data) { return data ? data->size() : 0; };
          here.begin({work_kind::evaluate,
                      (images(options->test) + images(options->validation)) / options->parts});
          const auto sums = [&](const dataset_ptr& data) {
            return data ? evaluate_part(p,
                                        *options->criterion,
                                        *data,
                                        options->pixels,
                                        options->part,
                                        options->parts)
                        : protocol::evaluation_sums{};
          };
          out.test = sums(options->test);
          out.validation = sums(options->validation);
          p.cancel_when(nullptr);
        });
        here.post(protocol::evaluation_done{out});
      });
}

// Of a round before, where its parameters came twice: this one is still wanted.
void evaluator::on(const protocol::evaluation_done& m) {
  if (wanted_ && wanted_->round == m.value.round) wanted_.reset();
  world_.send(options_->director, m.value);
}

protocol::evaluation_sums evaluate_part(program& compiled,
                                        const loss& criterion,
                                        const dataset& data,
                                        const pixel_transform& pixels,
                                        std::uint32_t part,
                                        std::uint32_t parts) {
  protocol::evaluation_sums out;
  const std::int64_t size = data.size(), width = compiled.microbatch();
  for (std::int64_t b = part; b * width < size; b += parts) {
    const auto rows = std::min(width, size - b * width);
    const auto read = read_plain(data, pixels, b * width, width);
    compiled.forward(read.inputs, {});
    const auto logits = compiled.output();
    const auto outputs = logits.size() / static_cast<std::size_t>(width);
    const bool classes = std::holds_alternative<softmax_cross_entropy>(criterion);
    const tensor wanted = classes ? read.targets : one_hot(read.targets, static_cast<int>(outputs));
    const auto targets = wanted.values();
    const auto per_row = targets.size() / static_cast<std::size_t>(width);
    const auto count = static_cast<std::size_t>(rows);
    const auto value = evaluate_loss(
        criterion, logits.first(count * outputs), targets.first(count * per_row), rows, 1.0, {});
    out.losses.push_back(value.sum);
    out.correct += value.correct;
    out.images += rows;
  }
  return out;
}

} // namespace troupe
