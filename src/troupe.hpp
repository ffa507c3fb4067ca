// Troupe trains neural networks with actors. This is the one header that a driver includes.
#pragma once

#include "troupe/cluster.hpp"
#include "troupe/dials.hpp"
#include "troupe/job.hpp"
#include "troupe/model_parts.hpp"
#include "troupe/price.hpp"
#include "troupe/run_timeline.hpp"
#include "troupe/schedule.hpp"
#include "troupe/schedule_times.hpp"
#include "troupe/shard_memory.hpp"
#include "troupe/simulated_cluster.hpp"
#include "troupe/topology.hpp"
#include "troupe/wiring.hpp"
#include "troupe/wiring_drawing.hpp"
#include "troupe/wiring_file.hpp"
