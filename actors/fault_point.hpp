// A numbered place in the life of an actor, where it can be killed: before it handles a message,
// inside the handler when it has called its context so many times, or at the handler's end. What a
// computation says between its kernels is a message to its actor, so a place between two kernels
// has a number as well. A point is numbered the same way live and simulated; what is numbered is
// what happens to an address, whatever the incarnation.
//
// Written ADDRESS@[step=N,][message=K][,call=C]:
//   layer_shard/1@step=30                   when it has handled its first message of step 30
//   layer_shard/1@step=30,message=4,call=2  in the handler of the fourth, after its second call
//   supervisor@message=12,call=0            before its twelfth message since the job began
#pragma once

#include "actors/address.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace troupe {

struct fault_point {
  static constexpr std::int64_t any_step = -1;

  address who;
  // Whose messages are counted; any_step: all since the job began. A start counts as a message
  // there, so the first thing that happens to an actor is message 1.
  std::int64_t step = 0;
  int message = 1; // of these, from 1
  // So many calls that the handler has made to its context, each message of a broadcast being one;
  // 0: before the handler. None: at its end, as where it makes fewer calls than this.
  std::optional<int> call = {};

  friend auto operator<=>(const fault_point&, const fault_point&) = default;
};

std::string text(const fault_point& p);
// Throws error at `where`: what is wrong, and what to write.
fault_point parse_fault_point(const std::string& text, const std::string& where);

} // namespace troupe
