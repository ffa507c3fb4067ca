#include "ops/error.hpp"

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

namespace troupe {

namespace {

std::string whole(const error_text& t) {
  std::string out = t.what;
  if (!t.where.empty()) out += "\n  --> " + t.where;
  if (!t.why.empty()) out += "\n  " + t.why;
  if (!t.help.empty()) out += "\n  help: " + t.help;
  return out;
}

// Levenshtein distance by the two-row recurrence.
std::size_t distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, change}));
    }
  }
  return row.back();
}

} // namespace

error::error(error_text text) : std::runtime_error(whole(text)), text_(std::move(text)) {}

std::string
did_you_mean(const std::string& word, const std::string* first, const std::string* last) {
  std::string best;
  std::size_t nearest = word.size() / 2 + 1;
  for (; first != last; ++first)
    if (const auto d = distance(word, *first); d < nearest) {
      nearest = d;
      best = *first;
    }
  return best;
}

} // namespace troupe
