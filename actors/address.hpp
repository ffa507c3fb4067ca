// An actor is addressed by what it is: role, replica, stage, slice. Written
// role[/replica[/stage[/slice]]]: "layer_shard/1/0", "parameter_holder/0", "director". For roles
// that are not cut by replica the first number is their index (holder 2 is parameter_holder/2). The
// second number of a gradient aggregator is its group of replicas, from 1: gradient_aggregator/0/2
// sends what it adds to gradient_aggregator/0. That of a parameter holder says which copy it is:
// parameter_holder/2/1 is one of parameter_holder/2, the head that others talk to. The third number
// of both is their island, from 1; those without one hold and add for all, or for the outer steps
// of islands.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace troupe {

enum class role_kind : std::uint8_t {
  director,
  data_loader,
  layer_shard,
  gradient_aggregator,
  parameter_holder,
  supervisor,
  evaluator,
  checkpointer,
  recorder,
  residual_keeper,
};

struct address {
  role_kind role = role_kind::director;
  std::uint32_t replica = 0;
  std::uint16_t stage = 0;
  std::uint16_t slice = 0;

  friend auto operator<=>(const address&, const address&) = default;

  [[nodiscard]] std::string
  text() const; // leaves trailing zeros out: "layer_shard/1" reads the same as "layer_shard/1/0"
};

struct address_hash {
  std::size_t operator()(const address& a) const noexcept {
    auto out = (std::uint64_t{a.replica} << 32U | std::uint64_t{a.stage} << 16U | a.slice) ^
               (static_cast<std::uint64_t>(a.role) << 28U);
    out = (out ^ (out >> 32U)) * 0x9E3779B97F4A7C15U;
    return static_cast<std::size_t>(out ^ (out >> 29U));
  }
};

const char* role_text(role_kind role);
const std::vector<std::string>& role_names();

// Throws error with "did you mean", at `where` or, where that is empty, at the text.
address parse_address(const std::string& text, const std::string& where = {});

// How often the player of a role has been started; 1 is the first.
using incarnation = std::uint32_t;

} // namespace troupe
