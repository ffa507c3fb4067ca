// Whole files, all or nothing: written to `path`.tmp, fsynced, renamed, folder fsynced. A failed
// write leaves the old file as it was and no .tmp behind. Two writers of one path must take turns.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace troupe {

void write_file_atomically(const std::string& path, std::string_view bytes); // throws error
std::string read_file(const std::string& path);                              // throws error

// The file, decompressed where it starts with gzip's magic number. Throws error where it is
// unreadable, corrupt, cut off or larger than `bytes_max`.
std::string read_maybe_gzip(const std::string& path, std::size_t bytes_max);

// The same for bytes in memory; `name` is for the error texts.
std::string
decompress_maybe_gzip(std::string bytes, const std::string& name, std::size_t bytes_max);

std::string gzip_of(std::string_view bytes); // one member (RFC 1952)

} // namespace troupe
