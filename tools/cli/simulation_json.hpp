// A simulation's figures as JSON.
#pragma once

#include "cli/simulation_run.hpp"

#include <nlohmann/json_fwd.hpp>

namespace troupe::cli {

nlohmann::json summary_json(const simulation_figures& f); // what has the same size for any cluster
nlohmann::json simulation_json(const simulation_figures& f); // everything: actors, links, steps

} // namespace troupe::cli
