#include "troupe/credit_use.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

namespace troupe {

void add(std::vector<credit_use>& all, const protocol::credit_used& told) {
  const auto key = [](const auto& u) { return std::tie(u.kind, u.from, u.to, u.bound); };
  const auto place = std::lower_bound(
      all.begin(), all.end(), told, [&](const auto& a, const auto& b) { return key(a) < key(b); });
  if (place != all.end() && key(*place) == key(told))
    place->used = std::max(place->used, told.used);
  else
    all.insert(place, {told.kind, told.from, told.to, told.bound, told.used});
}

std::string table(const std::vector<credit_use>& all) {
  std::string out =
      fmt::format("{:<10}{:<22}{:<22}{:>7}{:>11}\n", "credit", "from", "to", "bound", "most used");
  for (const auto& u : all)
    out += fmt::format("{:<10}{:<22}{:<22}{:>7}{:>11}{}\n",
                       credit_text(u.kind),
                       u.from.text(),
                       u.to.text(),
                       u.bound == no_bound ? "none" : std::to_string(u.bound),
                       u.used,
                       u.kept() ? "" : "  NOT KEPT");
  return out;
}

} // namespace troupe
