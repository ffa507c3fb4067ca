// What a live run answers on its control channel. A request more is a line of this table.
#pragma once

#include "actors/wait_graph.hpp"
#include "troupe/control_server.hpp"
#include "troupe/wiring.hpp"

#include <functional>
#include <map>
#include <string>

namespace troupe {

struct controlled_run {
  std::function<wait_graph()> why;
  std::function<void(const address&)> kill; // one that is mortal
  std::function<void()> stop;
};

// "why" ("as": text, json or dot), "kill" ("who"), "stop". `w` outlives them.
std::map<std::string, control_request> requests_to(const controlled_run& run, const wiring& w);

} // namespace troupe
