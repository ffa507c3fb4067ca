// The fields of each message, for Cereal. A new field goes to the end, and raises
// net::wire_version.
#pragma once

#include "actors/message.hpp"
#include "actors/wire/tensor_fields.hpp"
#include "net/archive.hpp"

namespace troupe {

template <class A>
void save(A& a, const address& v) {
  net::save_enum(a, v.role);
  a(v.replica, v.stage, v.slice);
}

template <class A>
void load(A& a, address& v) {
  net::load_enum(a, v.role, static_cast<std::uint8_t>(role_names().size()));
  a(v.replica, v.stage, v.slice);
}

template <class A>
void save(A& a, const error_text& v) {
  a(v.what, v.where, v.why, v.help);
  net::save_enum(a, v.kind);
}

template <class A>
void load(A& a, error_text& v) {
  a(v.what, v.where, v.why, v.help);
  net::load_enum(a, v.kind, static_cast<std::uint8_t>(error_kind::environment) + 1);
}

template <class A>
void serialize(A& a, tree_span& v) {
  a(v.first, v.count);
}

template <class A>
void serialize(A& a, microbatch_data& v) {
  a(v.inputs, v.targets, v.normaliser);
}

template <class A>
void serialize(A& a, checkpoint& v) {
  a(v.step, v.parameters, v.slots, v.residuals, v.job);
}

// A checkpoint that may be missing.
template <class A>
void save(A& a, const std::shared_ptr<const checkpoint>& v) {
  a(static_cast<bool>(v));
  if (v) a(*v);
}

template <class A>
void load(A& a, std::shared_ptr<const checkpoint>& v) {
  bool there = false;
  a(there);
  if (!there) return;
  auto out = std::make_shared<checkpoint>();
  a(*out);
  v = std::move(out);
}

namespace protocol {

template <class A>
void serialize(A& a, begin_step& m) {
  a(m.step, m.committed);
}

template <class A>
void serialize(A& a, evaluate& m) {
  a(m.round, m.version);
}

template <class A>
void serialize(A& a, save& m) {
  a(m.request, m.path);
}

template <class A>
void serialize(A&, stop_job&) {}

template <class A>
void serialize(A& a, job_failed& m) {
  a(m.text);
}

template <class A>
void serialize(A& a, want_batch& m) {
  a(m.step, m.microbatch, m.reply_to, m.images);
}

template <class A>
void serialize(A& a, batch& m) {
  a(m.step, m.microbatch, m.data);
}

template <class A>
void serialize(A& a, gradient& m) {
  a(m.step, m.block, m.span, m.value, m.encoded);
}

template <class A>
void serialize(A& a, microbatch_report& m) {
  a(m.step, m.microbatch, m.loss_sum, m.normaliser, m.correct);
}

template <class A>
void serialize(A& a, boundary& m) {
  a(m.step, m.microbatch, m.crossing, m.value);
}

template <class A>
void serialize(A& a, residual& m) {
  a(m.step, m.block, m.first_microbatch, m.value);
}

template <class A>
void serialize(A& a, want_residuals& m) {
  a(m.reply_to);
}

template <class A>
void serialize(A& a, kept_residual& m) {
  a(m.request, m.value);
}

template <class A>
void serialize(A& a, reduced_gradient& m) {
  a(m.step, m.block, m.value, m.addend, m.encoded);
}

template <class A>
void serialize(A& a, want_parameters& m) {
  a(m.reply_to);
}

template <class A>
void serialize(A& a, pull_parameters& m) {
  a(m.step, m.reply_to, m.known);
}

template <class A>
void serialize(A& a, parameters& m) {
  a(m.version, m.step, m.block, m.value);
}

template <class A>
void serialize(A& a, committed& m) {
  a(m.step, m.block, m.digest, m.version, m.staleness, m.lead);
}

template <class A>
void serialize(A& a, want_state& m) {
  a(m.request, m.reply_to);
}

template <class A>
void serialize(A& a, state& m) {
  a(m.request, m.version, m.block, m.parameters, m.slots);
}

template <class A>
void serialize(A& a, evaluation_sums& m) {
  a(m.losses, m.correct, m.images);
}

template <class A>
void serialize(A& a, evaluated& m) {
  a(m.round, m.part, m.test, m.validation);
}

template <class A>
void serialize(A& a, saved& m) {
  a(m.request, m.path, m.content, m.problem);
}

template <class A>
void serialize(A& a, step_committed& m) {
  a(m.step, m.loss, m.correct, m.digest, m.staleness, m.lead);
}

template <class A>
void serialize(A& a, evaluation_totals& m) {
  a(m.loss, m.correct, m.images);
}

template <class A>
void serialize(A& a, epoch_ended& m) {
  a(m.epoch, m.test, m.validation);
}

template <class A>
void serialize(A& a, training_paused& m) {
  a(m.paused);
}

template <class A>
void serialize(A& a, checkpoint_saved& m) {
  a(m.step, m.path, m.problem);
}

template <class A>
void serialize(A& a, job_ended& m) {
  a(m.steps, m.digest, m.interrupted, m.failure, m.state);
}

template <class A>
void serialize(A& a, down& m) {
  a(m.who, m.life, m.killed, m.reason);
}

template <class A>
void serialize(A& a, restarted& m) {
  a(m.who, m.life, m.reason, m.recovery_ms);
}

} // namespace protocol

// What an actor says to itself.
template <class Message>
inline constexpr bool is_private =
    std::is_same_v<Message, protocol::batch_ready> ||
    std::is_same_v<Message, protocol::gradient_ready> ||
    std::is_same_v<Message, protocol::boundary_ready> ||
    std::is_same_v<Message, protocol::residual_ready> ||
    std::is_same_v<Message, protocol::operations_done> ||
    std::is_same_v<Message, protocol::summed> || std::is_same_v<Message, protocol::updated> ||
    std::is_same_v<Message, protocol::evaluation_done> ||
    std::is_same_v<Message, protocol::written> || std::is_same_v<Message, protocol::restart_due>;

} // namespace troupe
