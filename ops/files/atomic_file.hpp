// Whole files, all or nothing: written to `path`.tmp, fsynced, renamed, folder fsynced.
#pragma once

#include <string>
#include <string_view>

namespace troupe {

void write_file_atomically(const std::string& path, std::string_view bytes); // throws error
std::string read_file(const std::string& path);                              // throws error
std::string read_maybe_gzip(const std::string& path, std::size_t bytes_max);  // throws error

} // namespace troupe
