// What is told of a sweep: a table row by row, JSON lines, scaling curves.
#pragma once

#include "cli/plot_files.hpp"
#include "cli/sweep_run.hpp"

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <vector>

namespace troupe::cli {

std::string sweep_heading(const sweep& s);
std::string sweep_line(const sweep& s, const sweep_row& row);

// `replay`: the command that plays this row alone.
nlohmann::json sweep_json(const sweep& s, const sweep_row& row, const std::string& replay);

named_charts charts_of(const sweep& s, const std::vector<sweep_row>& rows);

} // namespace troupe::cli
