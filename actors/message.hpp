// Everything that one actor can say to another, as one type: what the runtime carries, the links
// will encode and the simulator can reorder.
#pragma once

#include "actors/protocol/checkpointer.hpp"
#include "actors/protocol/credit.hpp"
#include "actors/protocol/data_loader.hpp"
#include "actors/protocol/director.hpp"
#include "actors/protocol/evaluator.hpp"
#include "actors/protocol/gradient_aggregator.hpp"
#include "actors/protocol/holder_copies.hpp"
#include "actors/protocol/layer_shard.hpp"
#include "actors/protocol/memory.hpp"
#include "actors/protocol/parameter_holder.hpp"
#include "actors/protocol/recorder.hpp"
#include "actors/protocol/residual_keeper.hpp"
#include "actors/protocol/supervisor.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <variant>

namespace troupe {

using message = std::variant<protocol::begin_step,
                             protocol::evaluate,
                             protocol::save,
                             protocol::stop_job,
                             protocol::job_failed,
                             protocol::want_cursor,
                             protocol::state_lost,
                             protocol::set_dial,
                             protocol::set_credit,
                             protocol::credit_used,
                             protocol::depth_used,
                             protocol::want_batch,
                             protocol::batch,
                             protocol::batch_ready,
                             protocol::gradient,
                             protocol::gradient_ready,
                             protocol::microbatch_report,
                             protocol::reports_told,
                             protocol::share_computed,
                             protocol::boundary,
                             protocol::boundary_ready,
                             protocol::operations_begun,
                             protocol::operations_done,
                             protocol::residual,
                             protocol::residual_ready,
                             protocol::want_residuals,
                             protocol::summed,
                             protocol::reduced_gradient,
                             protocol::want_parameters,
                             protocol::pull_parameters,
                             protocol::parameters,
                             protocol::committed,
                             protocol::want_state,
                             protocol::state,
                             protocol::updated,
                             protocol::log_entry,
                             protocol::log_kept,
                             protocol::want_copy,
                             protocol::holder_copy,
                             protocol::evaluated,
                             protocol::evaluation_done,
                             protocol::saved,
                             protocol::want_shard,
                             protocol::shard_written,
                             protocol::written,
                             protocol::shard_done,
                             protocol::memory_used,
                             protocol::step_committed,
                             protocol::epoch_ended,
                             protocol::training_paused,
                             protocol::checkpoint_saved,
                             protocol::job_ended,
                             protocol::shares_dealt,
                             protocol::recorded,
                             protocol::cursor,
                             protocol::down,
                             protocol::past_down,
                             protocol::supervision_due,
                             protocol::restarted>;

// The step that a message belongs to; nothing for messages outside of steps. Parameters belong to
// the step that they make possible.
std::optional<std::uint64_t> step_of(const message& m);

const char* message_name(const message& m); // "gradient"
const char* message_name(std::size_t kind); // place in the variant

} // namespace troupe
