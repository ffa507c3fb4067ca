// Numbers as error texts print them: "47,040,000".
#pragma once

#include <cstddef>
#include <string>

namespace troupe {

template <class Integer>
std::string count_text(Integer number) {
  std::string text = std::to_string(number);
  const std::size_t first = text.front() == '-' ? 1 : 0;
  for (std::size_t at = text.size(); at > first + 3;) {
    at -= 3;
    text.insert(at, ",");
  }
  return text;
}

} // namespace troupe
