// The end of a file, for people: what a program said last is often why it ended.
#pragma once

#include <cstdint>
#include <string>

namespace troupe::cli {

// At most ten lines, and 4 KB, of what is there from byte `from` on.
std::string last_lines(const std::string& path, std::uintmax_t from);

std::uintmax_t size_of(const std::string& path); // 0 where there is none

} // namespace troupe::cli
