// The fields of each message, for Cereal. A new field goes to the end, and raises
// net::wire_version.
#pragma once

#include "actors/message.hpp"
#include "actors/wire/field_count.hpp"
#include "actors/wire/tensor_fields.hpp"
#include "net/archive.hpp"

namespace troupe {

// Each field once.
template <class A, class Struct, class... Fields>
void all_fields(A& a, Struct&, Fields&... fields) {
  static_assert(sizeof...(Fields) == field_count<Struct>, "a field would not cross");
  a(fields...);
}

template <class A>
void serialize(A& a, address& v) {
  net::enumeration(a, v.role, role_names().size());
  a(v.replica, v.stage, v.slice);
}

template <class A>
void serialize(A& a, error_text& v) {
  a(v.what, v.where, v.why, v.help);
  net::enumeration(a, v.kind, static_cast<std::size_t>(error_kind::environment) + 1);
}

template <class A>
void serialize(A& a, tree_span& v) {
  all_fields(a, v, v.first, v.count);
}

template <class A>
void serialize(A& a, replica_share& v) {
  all_fields(a, v, v.replica, v.run);
}

template <class A>
void serialize(A& a, microbatch_data& v) {
  all_fields(a, v, v.inputs, v.targets, v.normaliser);
}

template <class A>
void serialize(A& a, shard_file& v) {
  all_fields(a, v, v.name, v.bytes, v.digest);
}

template <class A>
void serialize(A& a, dial& v) {
  net::enumeration(a, v.kind, credit_names().size());
  a(v.of, v.value, v.step);
}

namespace protocol {

template <class A>
void serialize(A& a, begin_step& m) {
  all_fields(a, m, m.step, m.committed, m.credit, m.run, m.recorded);
}

template <class A>
void serialize(A& a, evaluate& m) {
  all_fields(a, m, m.round, m.version);
}

template <class A>
void serialize(A& a, save& m) {
  all_fields(a, m, m.request, m.path, m.version, m.collects);
}

template <class A>
void serialize(A&, stop_job&) {}

template <class A>
void serialize(A& a, job_failed& m) {
  all_fields(a, m, m.text);
}

template <class A>
void serialize(A& a, want_cursor& m) {
  all_fields(a, m, m.life);
}

template <class A>
void serialize(A& a, state_lost& m) {
  all_fields(a, m, m.who);
}

template <class A>
void serialize(A& a, set_dial& m) {
  all_fields(a, m, m.value);
}

template <class A>
void serialize(A& a, set_credit& m) {
  all_fields(a, m, m.prefetch, m.depth, m.staleness, m.revision);
}

template <class A>
void serialize(A& a, credit_used& m) {
  net::enumeration(a, m.kind, credit_names().size());
  a(m.from, m.to, m.bound, m.used);
}

template <class A>
void serialize(A& a, memory_used& m) {
  all_fields(a, m, m.who, m.in_flight, m.program_bytes);
}

template <class A>
void serialize(A& a, want_batch& m) {
  all_fields(a, m, m.step, m.microbatch, m.reply_to, m.images);
}

template <class A>
void serialize(A& a, batch& m) {
  all_fields(a, m, m.step, m.microbatch, m.data);
}

template <class A>
void serialize(A& a, gradient& m) {
  all_fields(a, m, m.step, m.block, m.span, m.value, m.encoded);
}

template <class A>
void serialize(A& a, microbatch_report& m) {
  all_fields(a, m, m.step, m.microbatch, m.loss_sum, m.normaliser, m.correct);
}

template <class A>
void serialize(A& a, reports_told& m) {
  all_fields(a, m, m.who, m.step);
}

template <class A>
void serialize(A& a, share_computed& m) {
  all_fields(a, m, m.step, m.who, m.microbatches, m.seconds, m.overtaken);
}

template <class A>
void serialize(A& a, boundary& m) {
  all_fields(a, m, m.step, m.microbatch, m.crossing, m.value);
}

template <class A>
void serialize(A& a, residual& m) {
  all_fields(a, m, m.step, m.block, m.first_microbatch, m.value);
}

template <class A>
void serialize(A& a, want_residuals& m) {
  all_fields(a, m, m.reply_to, m.step);
}

template <class A>
void serialize(A& a, reduced_gradient& m) {
  all_fields(a, m, m.step, m.block, m.value, m.addend, m.encoded);
}

template <class A>
void serialize(A& a, want_parameters& m) {
  all_fields(a, m, m.reply_to, m.oldest);
}

template <class A>
void serialize(A& a, pull_parameters& m) {
  all_fields(a, m, m.step, m.reply_to, m.known, m.recorded);
}

template <class A>
void serialize(A& a, parameters& m) {
  all_fields(a, m, m.version, m.step, m.block, m.value);
}

template <class A>
void serialize(A& a, committed& m) {
  all_fields(
      a, m, m.step, m.block, m.digest, m.version, m.staleness, m.lead, m.lead_bound, m.island);
}

template <class A>
void serialize(A& a, want_state& m) {
  all_fields(a, m, m.request, m.reply_to, m.version);
}

template <class A>
void serialize(A& a, state& m) {
  all_fields(a, m, m.request, m.version, m.block, m.parameters);
}

template <class A>
void serialize(A& a, log_entry& m) {
  net::enumeration(a, m.kind, static_cast<std::size_t>(log_kind::adopt) + 1);
  a(m.head, m.index, m.block, m.step, m.version, m.digest);
  a(m.value, m.addend, m.encoded, m.lead, m.lead_bound);
}

template <class A>
void serialize(A& a, log_kept& m) {
  all_fields(a, m, m.head, m.index, m.copy);
}

template <class A>
void serialize(A& a, want_copy& m) {
  all_fields(a, m, m.copy, m.life, m.head);
}

template <class A>
void serialize(A& a, read_copy& m) {
  all_fields(a, m, m.step, m.version, m.lead, m.lead_bound);
}

template <class A>
void serialize(A& a, version_copy& m) {
  all_fields(a, m, m.version, m.parameters);
}

template <class A>
void serialize(A& a, block_copy& m) {
  all_fields(a,
             m,
             m.version,
             m.versions,
             m.slots,
             m.at_rest,
             m.digests,
             m.clocks,
             m.reads,
             m.told,
             m.round_start,
             m.residual,
             m.sent);
}

template <class A>
void serialize(A& a, holder_copy& m) {
  all_fields(
      a, m, m.head, m.index, m.copy, m.from, m.to, m.block, m.content, m.revision, m.staleness);
}

template <class A>
void serialize(A& a, evaluation_sums& m) {
  all_fields(a, m, m.losses, m.correct, m.images);
}

template <class A>
void serialize(A& a, evaluated& m) {
  all_fields(a, m, m.round, m.part, m.test, m.validation);
}

template <class A>
void serialize(A& a, saved& m) {
  all_fields(a, m, m.request, m.path, m.parameters, m.problem);
}

template <class A>
void serialize(A& a, want_shard& m) {
  all_fields(a, m, m.request, m.reply_to, m.version, m.folder);
}

template <class A>
void serialize(A& a, shard_written& m) {
  all_fields(a, m, m.folder, m.writer, m.file, m.problem);
}

template <class A>
void serialize(A& a, event_number& v) {
  all_fields(a, v, v.director, v.count);
}

template <class A>
void serialize(A& a, step_committed& m) {
  all_fields(a,
             m,
             m.step,
             m.loss,
             m.correct,
             m.digest,
             m.staleness,
             m.lead,
             m.lead_bound,
             m.shares,
             m.overtaken,
             m.reports_lost,
             m.number);
}

template <class A>
void serialize(A& a, evaluation_totals& m) {
  all_fields(a, m, m.loss, m.correct, m.images);
}

template <class A>
void serialize(A& a, epoch_ended& m) {
  all_fields(a, m, m.epoch, m.test, m.validation, m.number);
}

template <class A>
void serialize(A& a, training_paused& m) {
  all_fields(a, m, m.paused, m.step, m.number);
}

template <class A>
void serialize(A& a, checkpoint_saved& m) {
  all_fields(a, m, m.step, m.path, m.problem, m.number);
}

template <class A>
void serialize(A& a, job_ended& m) {
  all_fields(
      a, m, m.steps, m.digest, m.interrupted, m.failure, m.parameters, m.begin_again, m.number);
}

template <class A>
void serialize(A& a, shares_dealt& m) {
  all_fields(a, m, m.step, m.shares, m.number);
}

template <class A>
void serialize(A& a, recorded& m) {
  all_fields(a, m, m.number);
}

template <class A>
void serialize(A& a, cursor& m) {
  all_fields(a, m, m.life, m.step, m.digest, m.went_on, m.paused, m.ended, m.dealt, m.saved);
}

template <class A>
void serialize(A& a, down& m) {
  all_fields(a, m, m.who, m.life, m.killed, m.reason, m.input);
}

template <class A>
void serialize(A& a, restarted& m) {
  all_fields(a, m, m.who, m.life, m.reason, m.recovery_ms);
}

} // namespace protocol

// What an actor says to itself, or its own runtime to it.
template <class Message>
inline constexpr bool is_private =
    std::is_same_v<Message, protocol::batch_ready> ||
    std::is_same_v<Message, protocol::gradient_ready> ||
    std::is_same_v<Message, protocol::boundary_ready> ||
    std::is_same_v<Message, protocol::residual_ready> ||
    std::is_same_v<Message, protocol::operations_begun> ||
    std::is_same_v<Message, protocol::operations_done> ||
    std::is_same_v<Message, protocol::depth_used> || std::is_same_v<Message, protocol::summed> ||
    std::is_same_v<Message, protocol::updated> ||
    std::is_same_v<Message, protocol::evaluation_done> ||
    std::is_same_v<Message, protocol::written> || std::is_same_v<Message, protocol::shard_done> ||
    std::is_same_v<Message, protocol::past_down> ||
    std::is_same_v<Message, protocol::supervision_due>;

} // namespace troupe
