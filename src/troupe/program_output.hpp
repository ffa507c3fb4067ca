// Runs another program without a shell.
#pragma once

#include <string>
#include <vector>

namespace troupe::detail {

// What the program words[0], found in the PATH, with the other words as its arguments, writes when
// it reads `input`. Throws error: it is missing (naming Debian's package), or it fails.
std::string output_of(const std::vector<std::string>& words,
                      const std::string& input,
                      const std::string& package);

} // namespace troupe::detail
