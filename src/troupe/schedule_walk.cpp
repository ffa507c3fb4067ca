#include "troupe/schedule_walk.hpp"

namespace troupe::detail {

namespace {

bool gives_gradient(op_kind kind) {
  return kind == op_kind::backward || kind == op_kind::backward_input;
}

// What has been computed so far.
class results {
public:
  explicit results(const schedule& s)
      : schedule_(s),
        forward_(static_cast<std::size_t>(s.parts) * s.microbatches),
        gradient_(forward_.size()),
        forwards_(static_cast<std::size_t>(s.parts)) {}

  [[nodiscard]] bool allow(const schedule_op& op, int credit) const {
    if (const auto need = needed_by(schedule_, op))
      if (!(need->kind == op_kind::forward ? forward_ : gradient_)[place(*need)]) return false;
    const auto part = static_cast<std::size_t>(op.part);
    return op.kind != op_kind::forward || part + 1 == forwards_.size() ||
           forwards_[part] - forwards_[part + 1] < credit;
  }

  void add(const schedule_op& op) {
    if (op.kind == op_kind::forward) {
      forward_[place(op)] = true;
      ++forwards_[static_cast<std::size_t>(op.part)];
    }
    if (gives_gradient(op.kind)) gradient_[place(op)] = true;
  }

private:
  [[nodiscard]] std::size_t place(const schedule_op& op) const {
    return static_cast<std::size_t>(op.part) * schedule_.microbatches + op.microbatch;
  }

  const schedule& schedule_;
  std::vector<bool> forward_, gradient_; // by part and microbatch
  std::vector<int> forwards_;            // done, by part
};

} // namespace

std::optional<schedule_op> needed_by(const schedule& s, const schedule_op& op) {
  if (op.kind == op_kind::forward && op.part > 0)
    return schedule_op{op_kind::forward, op.part - 1, op.microbatch};
  if (gives_gradient(op.kind) && op.part + 1 < s.parts)
    return schedule_op{op_kind::backward, op.part + 1, op.microbatch};
  return {};
}

bool gives(const schedule_op& op, const schedule_op& need) {
  return op.part == need.part && op.microbatch == need.microbatch &&
         (need.kind == op_kind::forward ? op.kind == op_kind::forward : gives_gradient(op.kind));
}

std::vector<std::size_t>
walk(const schedule& s, int credit, const std::function<void(std::size_t, std::size_t)>& visit) {
  results done(s);
  std::vector<std::size_t> next(s.per_stage.size());
  for (bool moved = true; moved;) {
    moved = false;
    for (std::size_t stage = 0; stage < next.size(); ++stage) {
      const auto& list = s.per_stage[stage];
      for (auto& i = next[stage]; i < list.size() && done.allow(list[i], credit); ++i) {
        visit(stage, i);
        done.add(list[i]);
        moved = true;
      }
    }
  }
  return next;
}

} // namespace troupe::detail
