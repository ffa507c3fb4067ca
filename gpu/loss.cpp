#include "gpu/loss.hpp"

#include "ops/assert.hpp"

#include <cstddef>
#include <utility>
#include <variant>
#include <vector>

namespace troupe::gpu {

namespace {

constexpr std::int64_t row_floats = sizeof(row_loss) / sizeof(float);

class loss_on_device {
public:
  loss_on_device(std::shared_ptr<device> on, const shape& output)
      : on_(std::move(on)),
        n_(output[0]),
        outputs_(output.elements() / n_),
        targets_(floats(output.elements())),
        class_weights_(floats(outputs_)),
        each_(floats(n_ * row_floats)),
        copied_(static_cast<std::size_t>(n_)) {}

  loss_value evaluate(const loss& l,
                      const tensor& targets,
                      double normaliser,
                      const float* output,
                      float* gradient) {
    const auto* softmax = std::get_if<softmax_cross_entropy>(&l);
    TROUPE_ASSERT(targets.elements() == (softmax != nullptr ? n_ : n_ * outputs_),
                  "targets for these outputs");
    on_->upload(targets_.get(), targets.data(), targets.elements());
    if (softmax != nullptr) show(softmax->class_weights);
    auto* const each = reinterpret_cast<row_loss*>(each_.get());
    on_->evaluate_loss(l,
                       {n_, outputs_, output, targets_.get(), class_weights_.get(), normaliser},
                       each,
                       gradient);
    return sum_of(each);
  }

private:
  [[nodiscard]] std::shared_ptr<float> floats(std::int64_t count) const {
    const auto memory = on_->allocate(static_cast<std::size_t>(count) * sizeof(float));
    return {memory, reinterpret_cast<float*>(memory.get())};
  }

  // A job's are always the same.
  void show(const std::vector<float>& class_weights) {
    if (class_weights == shown_) return;
    TROUPE_ASSERT(class_weights.empty() || std::ssize(class_weights) == outputs_,
                  "a weight for each class");
    on_->upload(class_weights_.get(), class_weights.data(), std::ssize(class_weights));
    shown_ = class_weights;
  }

  // In the order of the rows, as on the CPU.
  loss_value sum_of(const row_loss* each) {
    on_->download(reinterpret_cast<float*>(copied_.data()),
                  reinterpret_cast<const float*>(each),
                  n_ * row_floats);
    loss_value out;
    for (const row_loss& row : copied_) {
      out.sum += row.sum;
      out.correct += static_cast<std::int64_t>(row.correct);
    }
    return out;
  }

  std::shared_ptr<device> on_;
  std::int64_t n_, outputs_;
  std::shared_ptr<float> targets_, class_weights_, each_;
  std::vector<float> shown_; // what class_weights_ has
  std::vector<row_loss> copied_;
};

} // namespace

kernels::loss_function make_loss(const std::shared_ptr<device>& on, const shape& output) {
  return [mine = std::make_shared<loss_on_device>(on, output)](
             const loss& l, const tensor& targets, double normaliser, const float* z, float* dz) {
    return mine->evaluate(l, targets, normaliser, z, dz);
  };
}

} // namespace troupe::gpu
