// Hot spares: a process that has read its data and compiled its programs, and waits to be told
// which node it is: lines NAME=VALUE, then the end of the file.
#include "ops/error.hpp"
#include "troupe/cluster_environment.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <map>
#include <sstream>
#include <string>

namespace troupe {

namespace {

std::string read_to_end(int file) {
  std::string out;
  std::array<char, 512> some{};
  for (;;) {
    const auto got = ::read(file, some.data(), some.size());
    if (got > 0) out.append(some.data(), static_cast<std::size_t>(got));
    if (got == 0 || (got < 0 && errno != EINTR)) return out;
  }
}

std::map<std::string, std::string> lines_of(const std::string& text) {
  std::map<std::string, std::string> out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);)
    if (const auto at = line.find('='); at != std::string::npos)
      out[line.substr(0, at)] = line.substr(at + 1);
  return out;
}

// What it says from now on is said by that node.
void write_to(const std::string& path, int number) {
  if (path.empty()) return;
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (file < 0) return; // where it wrote so far
  ::dup2(file, number);
  ::close(file);
}

} // namespace

void settle(node_place& place) {
  if (place.spare < 0) return;
  const auto said = lines_of(read_to_end(place.spare));
  ::close(place.spare);
  place.spare = -1;
  const auto number = said.find("TROUPE_RANK");
  if (number == said.end())
    throw error({.what = "this spare was not needed",
                 .where = place.source,
                 .why = "whoever started it has ended",
                 .help = "",
                 .kind = error_kind::environment});
  const auto text = [&](const char* name) {
    const auto found = said.find(name);
    return found == said.end() ? std::string() : found->second;
  };
  place.number = static_cast<std::uint32_t>(std::stoul(number->second));
  place.local_number = place.number;
  if (said.contains("TROUPE_RESTART")) place.restarts = std::stoi(text("TROUPE_RESTART"));
  if (said.contains("TROUPE_KEYS")) place.keys = text("TROUPE_KEYS");
  write_to(text("output"), STDOUT_FILENO);
  write_to(text("errors"), STDERR_FILENO);
}

} // namespace troupe
