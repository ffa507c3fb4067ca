// The text of --failures: "1 per 500 ms", "2 per 1 s of layer_shard, data_loader".
#pragma once

#include "ops/error.hpp"
#include "troupe/failures.hpp"

#include <string>
#include <vector>

namespace troupe::cli {

// Mistakes go to `wrong`.
failure_rate parse_failures(const std::string& text, std::vector<error_text>& wrong);

std::string failures_text(const failure_rate& rate); // "1 per 500 ms of layer_shard"

} // namespace troupe::cli
