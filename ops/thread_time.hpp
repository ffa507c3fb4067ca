// How long the calling thread has computed: what the machine does meanwhile for others is not
// counted, so that what is measured of kernels is theirs on a busy machine, too. For people and for
// models of speed; no result of a computation depends on it.
#pragma once

namespace troupe {

double thread_seconds(); // since the thread began

} // namespace troupe
