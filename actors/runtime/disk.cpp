#include "actors/runtime/disk.hpp"

#include "ops/error.hpp"
#include "ops/files/atomic_file.hpp"

#include <algorithm>
#include <filesystem>

namespace troupe {

namespace {

class disk_of_machine final : public disk {
public:
  void make_folder(const std::string& path) override {
    std::error_code problem;
    std::filesystem::create_directories(path, problem);
    if (problem)
      throw error({.what = "a folder cannot be made",
                   .where = path,
                   .why = problem.message(),
                   .help = "choose a folder that you may write to"});
  }

  void write(const std::string& path, std::string_view bytes) override {
    write_file_atomically(path, bytes);
  }

  [[nodiscard]] std::vector<std::string> list(const std::string& folder) const override {
    std::vector<std::string> out;
    std::error_code ignored; // a file that vanishes meanwhile is not listed
    for (const auto& entry : std::filesystem::directory_iterator(folder, ignored))
      if (!entry.is_directory(ignored)) out.push_back(entry.path().filename().string());
    std::sort(out.begin(), out.end());
    return out;
  }

  void remove(const std::string& path) override {
    std::error_code ignored;
    std::filesystem::remove(path, ignored);
  }
};

} // namespace

disk& machine_disk() {
  static disk_of_machine one;
  return one;
}

void memory_disk::write(const std::string& path, std::string_view bytes) {
  const std::lock_guard lock(mutex_);
  files_[path] = bytes;
}

std::vector<std::string> memory_disk::list(const std::string& folder) const {
  const std::lock_guard lock(mutex_);
  const auto prefix = folder.ends_with('/') ? folder : folder + "/";
  std::vector<std::string> out;
  for (auto f = files_.lower_bound(prefix); f != files_.end() && f->first.starts_with(prefix); ++f)
    if (f->first.find('/', prefix.size()) == std::string::npos)
      out.push_back(f->first.substr(prefix.size()));
  return out;
}

void memory_disk::remove(const std::string& path) {
  const std::lock_guard lock(mutex_);
  files_.erase(path);
}

std::map<std::string, std::string> memory_disk::files() const {
  const std::lock_guard lock(mutex_);
  return files_;
}

} // namespace troupe
