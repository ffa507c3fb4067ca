// Where a role's files are: on the machine, or in the memory of a simulated world.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

class disk {
public:
  virtual ~disk() = default;

  // Makes folders on the way. Throws error.
  virtual void make_folder(const std::string& path) = 0;
  // All or nothing; an old file of that name is replaced. Throws error.
  virtual void write(const std::string& path, std::string_view bytes) = 0;
  // Names of its files, sorted; none where there is no such folder.
  [[nodiscard]] virtual std::vector<std::string> list(const std::string& folder) const = 0;
  virtual void remove(const std::string& path) = 0; // what is not there is as good as removed
};

disk& machine_disk();

// Any thread.
class memory_disk final : public disk {
public:
  void make_folder(const std::string&) override {}

  void write(const std::string& path, std::string_view bytes) override;
  [[nodiscard]] std::vector<std::string> list(const std::string& folder) const override;
  void remove(const std::string& path) override;

  [[nodiscard]] std::map<std::string, std::string> files() const; // by path

private:
  mutable std::mutex mutex_;
  std::map<std::string, std::string> files_;
};

} // namespace troupe
