// Training as a node that does not lead: plays its roles until node 0 says that the job is over.
// Keeps no run folder and shows no progress; what it has to say goes to stderr.
#pragma once

#include "cli/interrupt.hpp"
#include "troupe/cluster.hpp"

namespace troupe::cli {

// The exit code. Throws error: the job failed, or node 0 is gone.
int serve(const cluster& c, const wiring& w, run_options options, interrupt_watch& watch);

} // namespace troupe::cli
