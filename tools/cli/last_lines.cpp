#include "cli/last_lines.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace troupe::cli {

namespace {

constexpr std::uintmax_t bytes_max = 4096;
constexpr int lines_max = 10;

} // namespace

std::string last_lines(const std::string& path, std::uintmax_t from) {
  const std::uintmax_t end = size_of(path);
  if (end <= from) return "";
  const std::uintmax_t begin = std::max(from, end - std::min(end, bytes_max));
  std::string text(end - begin, '\0');
  std::ifstream file(path, std::ios::binary);
  file.seekg(static_cast<std::streamoff>(begin));
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  while (!text.empty() && text.back() == '\n')
    text.pop_back();
  std::size_t at = text.size();
  for (int line = 0; line < lines_max && at != std::string::npos && at > 0; ++line)
    at = text.rfind('\n', at - 1);
  return at == std::string::npos || at == 0 ? text : text.substr(at + 1);
}

std::uintmax_t size_of(const std::string& path) {
  std::error_code missing;
  const auto size = std::filesystem::file_size(path, missing);
  return missing ? 0 : size;
}

} // namespace troupe::cli
