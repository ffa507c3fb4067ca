#include "actors/message_facts.hpp"

#include <fmt/format.h>

#include <vector>

namespace troupe {

namespace {

constexpr std::int64_t header_bytes = 64;

std::int64_t bytes_of(const tensor& t) {
  return static_cast<std::int64_t>(t.bytes());
}

std::int64_t bytes_of(const std::vector<tensor>& all) {
  std::int64_t out = 0;
  for (const tensor& t : all)
    out += bytes_of(t);
  return out;
}

std::int64_t bytes_of(const protocol::block_copy& block) {
  auto out = bytes_of(block.slots) + bytes_of(block.round_start) + bytes_of(block.residual) +
             bytes_of(block.sent.value);
  for (const auto& v : block.versions)
    out += bytes_of(v.parameters);
  return out;
}

// Every tensor that a message may have, by the name of the field.
struct tensor_bytes {
  std::int64_t operator()(const auto& m) const {
    std::int64_t out = 0;
    if constexpr (requires { (*this)(m.value.value); })
      out += (*this)(m.value);
    else if constexpr (requires { bytes_of(m.value); })
      out += bytes_of(m.value);
    if constexpr (requires { bytes_of(m.addend); }) out += bytes_of(m.addend);
    if constexpr (requires { bytes_of(m.parameters); }) out += bytes_of(m.parameters);
    if constexpr (requires { bytes_of(m.slots); }) out += bytes_of(m.slots);
    if constexpr (requires { m.content.versions; }) out += bytes_of(m.content);
    if constexpr (requires { bytes_of(m.data.inputs); })
      out += bytes_of(m.data.inputs) + bytes_of(m.data.targets);
    return out;
  }
};

void fold(std::uint64_t& key, std::uint64_t number) {
  key = (key ^ number) * 0x9E3779B97F4A7C15U;
  key ^= key >> 29;
}

struct key_numbers {
  std::uint64_t operator()(const auto& m) const {
    std::uint64_t out = 1;
    if constexpr (requires { m.step; }) fold(out, m.step);
    if constexpr (requires { m.version; }) fold(out, m.version);
    if constexpr (requires { m.round; }) fold(out, m.round);
    if constexpr (requires { m.request; }) fold(out, m.request);
    if constexpr (requires { m.life; }) fold(out, m.life);
    if constexpr (requires { m.index; }) fold(out, m.index);
    if constexpr (requires { m.copy; }) fold(out, static_cast<std::uint64_t>(m.copy));
    if constexpr (requires { m.microbatch; }) fold(out, m.microbatch);
    if constexpr (requires { m.block; }) fold(out, static_cast<std::uint64_t>(m.block));
    if constexpr (requires { m.crossing; }) fold(out, static_cast<std::uint64_t>(m.crossing));
    if constexpr (requires { m.span.first; }) fold(out, m.span.first * 65537ULL + m.span.count);
    if constexpr (requires { m.first_microbatch; }) fold(out, m.first_microbatch);
    if constexpr (requires { m.value.step; }) fold(out, (*this)(m.value));
    return out;
  }
};

} // namespace

std::int64_t message_bytes(const message& m) {
  return header_bytes + std::visit(tensor_bytes{}, m);
}

std::uint64_t message_key(const message& m) {
  return std::visit(key_numbers{}, m);
}

std::string input_text(const message& m) {
  const auto step = step_of(m);
  return fmt::format("{}{}, key {:08x}",
                     message_name(m),
                     step ? fmt::format(" of step {}", *step) : std::string(),
                     message_key(m) >> 32U);
}

std::string input_text(const std::optional<work>& doing, std::uint64_t step) {
  std::string out;
  if (doing && doing->which >= 0)
    out = fmt::format(
        "{} of {} {}", work_name(doing->kind), word_of_which(doing->kind), doing->which);
  else if (doing || step > 0)
    out = doing ? work_name(doing->kind) : "a computation";
  return step == 0 ? out : fmt::format("{} of step {}", out, step);
}

protocol::job_failed
failure_of(const std::exception& e, const std::optional<work>& doing, std::uint64_t step) {
  const auto* told = dynamic_cast<const error*>(&e);
  const bool by_machine = told != nullptr && told->text().kind == error_kind::environment;
  return {{.what = e.what(), .where = by_machine ? std::string() : input_text(doing, step)}};
}

} // namespace troupe
