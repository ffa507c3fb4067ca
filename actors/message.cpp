#include "actors/message.hpp"

namespace troupe {

namespace {

template <class Message>
concept has_step = requires(const Message& m) {
  m.step;
};

struct step_visitor {
  std::optional<std::uint64_t> operator()(const has_step auto& m) const { return m.step; }

  std::optional<std::uint64_t> operator()(const protocol::batch_ready& m) const {
    return m.value.step;
  }

  std::optional<std::uint64_t> operator()(const protocol::gradient_ready& m) const {
    return m.value.step;
  }

  std::optional<std::uint64_t> operator()(const protocol::residual_ready& m) const {
    return m.value.step;
  }

  std::optional<std::uint64_t> operator()(const protocol::boundary_ready& m) const {
    return m.value.step;
  }

  std::optional<std::uint64_t> operator()(const auto&) const { return std::nullopt; }
};

} // namespace

std::optional<std::uint64_t> step_of(const message& m) {
  return std::visit(step_visitor{}, m);
}

const char* message_name(const message& m) {
  return message_name(m.index());
}

const char* message_name(std::size_t kind) {
  static constexpr const char* names[] = {"begin_step",
                                          "evaluate",
                                          "save",
                                          "stop_job",
                                          "job_failed",
                                          "want_cursor",
                                          "state_lost",
                                          "set_dial",
                                          "set_credit",
                                          "credit_used",
                                          "depth_used",
                                          "want_batch",
                                          "batch",
                                          "batch_ready",
                                          "gradient",
                                          "gradient_ready",
                                          "microbatch_report",
                                          "reports_told",
                                          "share_computed",
                                          "boundary",
                                          "boundary_ready",
                                          "operations_begun",
                                          "operations_done",
                                          "residual",
                                          "residual_ready",
                                          "want_residuals",
                                          "summed",
                                          "reduced_gradient",
                                          "want_parameters",
                                          "pull_parameters",
                                          "parameters",
                                          "committed",
                                          "want_state",
                                          "state",
                                          "updated",
                                          "log_entry",
                                          "log_kept",
                                          "want_copy",
                                          "holder_copy",
                                          "evaluated",
                                          "evaluation_done",
                                          "saved",
                                          "want_shard",
                                          "shard_written",
                                          "written",
                                          "shard_done",
                                          "memory_used",
                                          "step_committed",
                                          "epoch_ended",
                                          "training_paused",
                                          "checkpoint_saved",
                                          "job_ended",
                                          "shares_dealt",
                                          "recorded",
                                          "cursor",
                                          "down",
                                          "past_down",
                                          "supervision_due",
                                          "restarted"};
  static_assert(std::size(names) == std::variant_size_v<message>);
  return names[kind];
}

} // namespace troupe
