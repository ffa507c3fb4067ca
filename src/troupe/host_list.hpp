// Slurm's short form of many names: "n[001-003,7],m2" is n001, n002, n003, n7 and m2.
#pragma once

#include <string>
#include <vector>

namespace troupe {

// In the order of the text; several brackets of a name multiply, the last changes fastest. Throws
// error where the text is no such list, or one of more than 65,536 names.
std::vector<std::string> hosts_in(const std::string& text);

} // namespace troupe
