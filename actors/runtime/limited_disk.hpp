// A disk that can be full: then what is written on it fails, as it does where no space is left.
#pragma once

#include "actors/runtime/disk.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace troupe {

// As much as the disk below it for any thread. `below` outlives it.
class limited_disk final : public disk {
public:
  explicit limited_disk(disk& below) : below_(below) {}

  void fill(bool full) { full_ = full; }

  void make_folder(const std::string& path) override;
  [[nodiscard]] std::unique_ptr<pending_file> create(const std::string& path) override;
  [[nodiscard]] std::optional<std::uint64_t> size(const std::string& path) const override;
  [[nodiscard]] std::vector<std::string> list(const std::string& folder) const override;
  [[nodiscard]] std::vector<std::string> folders(const std::string& folder) const override;
  void remove(const std::string& path) override;

private:
  class coming;

  void check_space(const std::string& path) const;

  disk& below_;
  std::atomic<bool> full_{false};
};

} // namespace troupe
