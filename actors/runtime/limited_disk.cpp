#include "actors/runtime/limited_disk.hpp"

#include "ops/error.hpp"

#include <cerrno>
#include <string_view>
#include <system_error>

namespace troupe {

// Checks the space for each piece: a disk may fill while a file comes.
class limited_disk::coming final : public pending_file {
public:
  coming(const limited_disk& home, const std::string& path)
      : home_(home), path_(path), below_(home.below_.create(path)) {}

  void append(std::string_view bytes) override {
    home_.check_space(path_);
    below_->append(bytes);
  }

  void keep_as(const std::string& path) override {
    home_.check_space(path);
    below_->keep_as(path);
  }

private:
  const limited_disk& home_;
  std::string path_;
  std::unique_ptr<pending_file> below_;
};

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

std::unique_ptr<pending_file> limited_disk::create(const std::string& path) {
  check_space(path);
  return std::make_unique<coming>(*this, path);
}

std::optional<std::uint64_t> limited_disk::size(const std::string& path) const {
  return below_.size(path);
}

std::vector<std::string> limited_disk::list(const std::string& folder) const {
  return below_.list(folder);
}

std::vector<std::string> limited_disk::folders(const std::string& folder) const {
  return below_.folders(folder);
}

void limited_disk::remove(const std::string& path) {
  below_.remove(path);
}

} // namespace troupe
