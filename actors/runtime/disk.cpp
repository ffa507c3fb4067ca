#include "actors/runtime/disk.hpp"

#include "ops/error.hpp"
#include "ops/files/atomic_file.hpp"

#include <algorithm>
#include <filesystem>
#include <utility>

namespace troupe {

void disk::write(const std::string& path, std::string_view bytes) {
  const auto file = create(path);
  file->append(bytes);
  file->keep_as(path);
}

namespace {

class file_of_machine final : public pending_file {
public:
  explicit file_of_machine(const std::string& path) : file_(path) {}

  void append(std::string_view bytes) override { file_.append(bytes); }

  void keep_as(const std::string& path) override { file_.keep_as(path); }

private:
  new_file file_;
};

class disk_of_machine final : public disk {
public:
  void make_folder(const std::string& path) override { make_folder_durably(path); }

  [[nodiscard]] std::unique_ptr<pending_file> create(const std::string& path) override {
    return std::make_unique<file_of_machine>(path);
  }

  [[nodiscard]] std::optional<std::uint64_t> size(const std::string& path) const override {
    std::error_code problem;
    const auto bytes = std::filesystem::file_size(path, problem);
    return problem ? std::nullopt : std::optional<std::uint64_t>(bytes);
  }

  [[nodiscard]] std::vector<std::string> list(const std::string& folder) const override {
    return names(folder, false);
  }

  [[nodiscard]] std::vector<std::string> folders(const std::string& folder) const override {
    return names(folder, true);
  }

  void remove(const std::string& path) override {
    std::error_code ignored;
    std::filesystem::remove(path, ignored);
  }

private:
  static std::vector<std::string> names(const std::string& folder, bool of_folders) {
    std::vector<std::string> out;
    std::error_code ignored; // a file that vanishes meanwhile is not listed
    for (const auto& entry : std::filesystem::directory_iterator(folder, ignored))
      if (entry.is_directory(ignored) == of_folders)
        out.push_back(entry.path().filename().string());
    std::sort(out.begin(), out.end());
    return out;
  }
};

} // namespace

disk& machine_disk() {
  static disk_of_machine one;
  return one;
}

class memory_disk::coming final : public pending_file {
public:
  coming(memory_disk& home, std::string path) : home_(home), path_(std::move(path)) {}

  coming(const coming&) = delete;
  coming& operator=(const coming&) = delete;

  ~coming() override { home_.shrink(bytes_.size()); }

  void append(std::string_view bytes) override {
    home_.grow(bytes.size(), path_);
    bytes_ += bytes;
  }

  void keep_as(const std::string& path) override { home_.keep(path, bytes_); }

private:
  memory_disk& home_;
  std::string path_, bytes_;
};

std::unique_ptr<pending_file> memory_disk::create(const std::string& path) {
  return std::make_unique<coming>(*this, path);
}

void memory_disk::grow(std::uint64_t bytes, const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (bytes > limit_ || used_ > limit_ - bytes)
    throw error({.what = "cannot write " + path,
                 .where = "writing its temporary",
                 .why = "No space left on device",
                 .help = "free some space or write to another disk"});
  used_ += bytes;
}

void memory_disk::shrink(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  used_ -= bytes;
}

void memory_disk::keep(const std::string& path, std::string bytes) {
  const std::lock_guard lock(mutex_);
  if (fails_to_keep_)
    throw error({.what = "cannot write " + path,
                 .where = "fsync of its temporary",
                 .why = "Input/output error"});
  auto& file = files_[path];
  used_ += bytes.size(); // of the file; those of what came are given back with it
  used_ -= file.size();
  file = std::move(bytes);
}

std::optional<std::uint64_t> memory_disk::size(const std::string& path) const {
  const std::lock_guard lock(mutex_);
  const auto found = files_.find(path);
  return found == files_.end() ? std::nullopt : std::optional<std::uint64_t>(found->second.size());
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

std::vector<std::string> memory_disk::folders(const std::string& folder) const {
  const std::lock_guard lock(mutex_);
  const auto prefix = folder.ends_with('/') ? folder : folder + "/";
  std::vector<std::string> out;
  for (auto f = files_.lower_bound(prefix); f != files_.end() && f->first.starts_with(prefix); ++f)
    if (const auto end = f->first.find('/', prefix.size()); end != std::string::npos)
      if (auto name = f->first.substr(prefix.size(), end - prefix.size());
          out.empty() || out.back() != name)
        out.push_back(std::move(name));
  return out;
}

void memory_disk::remove(const std::string& path) {
  const std::lock_guard lock(mutex_);
  const auto found = files_.find(path);
  if (found == files_.end()) return;
  used_ -= found->second.size();
  files_.erase(found);
}

std::map<std::string, std::string> memory_disk::files() const {
  const std::lock_guard lock(mutex_);
  return files_;
}

void memory_disk::limit(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  limit_ = bytes;
}

void memory_disk::fail_to_keep(bool fails) {
  const std::lock_guard lock(mutex_);
  fails_to_keep_ = fails;
}

} // namespace troupe
