#include "cli/line_follower.hpp"

#include "cli/last_lines.hpp"

#include <fstream>

namespace troupe::cli {

std::vector<std::string> line_follower::fresh() {
  const std::uintmax_t end = size_of(path_);
  if (end < at_) {
    at_ = 0;
    begun_.clear();
    is_partial_ = false;
  }
  if (end - at_ > bytes_max_) {
    at_ = end - bytes_max_;
    begun_.clear();
    is_partial_ = true;
  }
  std::string text(end - at_, '\0');
  std::ifstream file(path_, std::ios::binary);
  file.seekg(static_cast<std::streamoff>(at_));
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  at_ += text.size();

  std::vector<std::string> out;
  std::size_t from = 0;
  for (std::size_t newline = 0; (newline = text.find('\n', from)) != std::string::npos;
       from = newline + 1) {
    begun_ += text.substr(from, newline - from);
    if (!std::exchange(is_partial_, false)) out.push_back(std::move(begun_));
    begun_.clear();
  }
  begun_ += text.substr(from);
  if (begun_.size() > bytes_max_) {
    begun_.clear();
    is_partial_ = true;
  }
  return out;
}

} // namespace troupe::cli
