#include "actors/credit.hpp"

#include <fmt/format.h>

namespace troupe {

const std::vector<std::string>& credit_names() {
  static const std::vector<std::string> names = {"prefetch", "depth", "staleness"};
  return names;
}

const char* credit_text(credit_kind kind) {
  return credit_names()[static_cast<std::size_t>(kind)].c_str();
}

std::string text(const dial& d) {
  std::string out = credit_text(d.kind);
  if (d.of) out += ":" + d.of->text();
  out += fmt::format("={}", d.value);
  if (d.step != 0) out += fmt::format("@step={}", d.step);
  return out;
}

} // namespace troupe
