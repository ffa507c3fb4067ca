// Where a role's files are: on the machine, or in the memory of a simulated world.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

// A file that comes piece by piece. It is there, and durable, when it is kept; else it never was.
class pending_file {
public:
  virtual ~pending_file() = default;
  virtual void append(std::string_view bytes) = 0;   // throws error
  virtual void keep_as(const std::string& path) = 0; // in its folder; once; throws error
};

class disk {
public:
  virtual ~disk() = default;

  // Makes folders on the way. Throws error.
  virtual void make_folder(const std::string& path) = 0;
  // Beside `path`, in a folder that is there. Throws error.
  [[nodiscard]] virtual std::unique_ptr<pending_file> create(const std::string& path) = 0;
  // Empty: there is no such file.
  [[nodiscard]] virtual std::optional<std::uint64_t> size(const std::string& path) const = 0;
  // Names of its files, sorted; none where there is no such folder.
  [[nodiscard]] virtual std::vector<std::string> list(const std::string& folder) const = 0;
  // Likewise of the folders in it.
  [[nodiscard]] virtual std::vector<std::string> folders(const std::string& folder) const = 0;
  // A file, or a folder that is empty; what is not there is as good as removed.
  virtual void remove(const std::string& path) = 0;

  // All or nothing; an old file of that name is replaced. Throws error.
  void write(const std::string& path, std::string_view bytes);
};

disk& machine_disk();

// Any thread.
class memory_disk final : public disk {
public:
  void make_folder(const std::string&) override {}

  [[nodiscard]] std::unique_ptr<pending_file> create(const std::string& path) override;
  [[nodiscard]] std::optional<std::uint64_t> size(const std::string& path) const override;
  [[nodiscard]] std::vector<std::string> list(const std::string& folder) const override;
  [[nodiscard]] std::vector<std::string> folders(const std::string& folder) const override;
  void remove(const std::string& path) override;

  [[nodiscard]] std::map<std::string, std::string> files() const; // by path

  // From now on it is full when it has so many bytes, those of files that come included.
  void limit(std::uint64_t bytes);
  // From now on no file can be kept: as where fsync fails.
  void fail_to_keep(bool fails);

private:
  class coming;

  void grow(std::uint64_t bytes, const std::string& path);
  void shrink(std::uint64_t bytes);
  void keep(const std::string& path, std::string bytes);

  mutable std::mutex mutex_;
  std::map<std::string, std::string> files_;
  std::uint64_t used_ = 0, limit_ = std::numeric_limits<std::uint64_t>::max();
  bool fails_to_keep_ = false;
};

} // namespace troupe
