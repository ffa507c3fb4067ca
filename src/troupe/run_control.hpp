// What a live run answers on its control channel. A request more is a line of this table.
#pragma once

#include "actors/wait_graph.hpp"
#include "troupe/control_server.hpp"
#include "troupe/faults.hpp"

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace troupe {

struct controlled_run {
  std::function<wait_graph()> why;
  std::function<void()> stop;
  std::function<void(const injected_fault&)> inject; // throws error
  std::function<void(std::uint32_t)> drain;          // likewise
  std::function<void()> calm;
  std::function<std::vector<fault_record>()> faults; // that were injected
};

// "why" ("as": text, json or dot), "stop", "kill" ("who"), "inject" ("fault"), "calm", "faults",
// "drain" ("node").
std::map<std::string, control_request> requests_to(const controlled_run& run);

} // namespace troupe
