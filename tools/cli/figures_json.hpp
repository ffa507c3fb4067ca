// Figures of nodes and links as JSON, and back.
#pragma once

#include "actors/cluster_figures.hpp"

#include <nlohmann/json_fwd.hpp>

namespace troupe::cli {

nlohmann::ordered_json json_of(const node_figures& n);
nlohmann::ordered_json json_of(const link_figures& l);
nlohmann::ordered_json figures_json(const cluster_figures& all); // seconds, nodes, links

// Throws nlohmann::json::exception where something is missing.
cluster_figures figures_of(const nlohmann::ordered_json& all);

} // namespace troupe::cli
