#include "actors/runtime/limited_disk.hpp"

#include "ops/error.hpp"

#include <cerrno>
#include <system_error>

namespace troupe {

void limited_disk::check_space(const std::string& path) const {
  if (full_)
    throw error({.what = "a file cannot be written",
                 .where = path,
                 .why = std::generic_category().message(ENOSPC),
                 .help = "free some space"});
}

void limited_disk::make_folder(const std::string& path) {
  check_space(path);
  below_.make_folder(path);
}

void limited_disk::write(const std::string& path, std::string_view bytes) {
  check_space(path);
  below_.write(path, bytes);
}

std::vector<std::string> limited_disk::list(const std::string& folder) const {
  return below_.list(folder);
}

void limited_disk::remove(const std::string& path) {
  below_.remove(path);
}

} // namespace troupe
