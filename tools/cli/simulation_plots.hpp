// The charts of one simulation.
#pragma once

#include "cli/plot_files.hpp"
#include "cli/simulation_run.hpp"

namespace troupe::cli {

// Step times with deaths, utilisation, traffic; staleness and recovery where there was any.
named_charts charts_of(const simulation_figures& f);

} // namespace troupe::cli
