// The lines of a file that somebody else is writing, as they come. A line that has no end yet waits
// for it. Of very many bytes at once only the last are read, and a line of very many not at all.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace troupe::cli {

class line_follower {
public:
  explicit line_follower(std::string path, std::uintmax_t bytes_max = 8'000'000)
      : path_(std::move(path)), bytes_max_(bytes_max) {}

  // Those that ended since the last call; of a file that is shorter than it was, all. None where
  // there is no file.
  std::vector<std::string> fresh();

private:
  std::string path_;
  std::uintmax_t bytes_max_;
  std::uintmax_t at_ = 0;   // what was read
  std::string begun_;       // a line without its end
  bool is_partial_ = false; // what comes up to the next end has lost its beginning
};

} // namespace troupe::cli
