// Where charts go: all of them into FILE.svg, or each into a file of its own in a folder.
#pragma once

#include "cli/chart.hpp"

#include <string>
#include <utility>
#include <vector>

namespace troupe::cli {

using named_charts = std::vector<std::pair<std::string, chart>>; // by file name, without .svg

// Throws mistakes where nothing could be written.
void check_plot(const std::string& path);

void write_plots(const std::string& path, const named_charts& charts);

} // namespace troupe::cli
