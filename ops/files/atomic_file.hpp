// Whole files, all or nothing: written beside their path under a name of their own that ends with
// .tmp, fsynced, renamed, folder fsynced. A failed write leaves the old file as it was and no .tmp
// behind; a process that is killed leaves one.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace troupe {

constexpr std::string_view temporary_ending = ".tmp";

// A file that comes piece by piece, and is there when it is kept. Else it never was.
class new_file {
public:
  explicit new_file(const std::string& path); // beside which it lies; throws error
  ~new_file();
  new_file(const new_file&) = delete;
  new_file& operator=(const new_file&) = delete;

  void append(std::string_view bytes);   // throws error
  void keep_as(const std::string& path); // in the same folder; once; throws error

private:
  struct state;
  std::unique_ptr<state> state_;
};

void write_file_atomically(const std::string& path, std::string_view bytes); // throws error
std::string read_file(const std::string& path);                              // throws error

// And those around it that are not there; they outlive a power cut, too. Throws error.
void make_folder_durably(const std::string& path);

// The file, decompressed where it starts with gzip's magic number. Throws error where it is
// unreadable, corrupt, cut off or larger than `bytes_max`.
std::string read_maybe_gzip(const std::string& path, std::size_t bytes_max);

// The same for bytes in memory; `name` is for the error texts.
std::string
decompress_maybe_gzip(std::string bytes, const std::string& name, std::size_t bytes_max);

std::string gzip_of(std::string_view bytes); // one member (RFC 1952)

} // namespace troupe
