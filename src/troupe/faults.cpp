#include "troupe/faults.hpp"

#include "ops/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <sstream>
#include <utility>

namespace troupe {

namespace {

using std::chrono::nanoseconds;

constexpr const char* form = "[TIME | step N | N/s] VERB OBJECT [for TIME], or kill "
                             "ADDRESS@step=N,message=K";
constexpr const char* example = "30 ms kill layer_shard/1";

struct unit {
  const char* name;
  double nanoseconds;
};

constexpr unit units[] = {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}};

std::vector<std::string> words_in(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream in(text);
  for (std::string word; in >> word;)
    out.push_back(word);
  return out;
}

// The number that a word begins with; what follows it is left. False: none.
bool split_number(const std::string& word, double& number, std::string& rest) {
  char* end = nullptr;
  number = std::strtod(word.c_str(), &end);
  if (end == word.c_str() || !std::isfinite(number)) return false;
  rest = end;
  return true;
}

std::optional<nanoseconds> time_of(const std::string& word) {
  double number = 0;
  std::string name;
  if (!split_number(word, number, name) || number < 0) return {};
  for (const unit& u : units)
    if (name == u.name && number * u.nanoseconds < 9e18)
      return nanoseconds(std::llround(number * u.nanoseconds));
  return {};
}

std::optional<double> rate_of(const std::string& word) {
  double number = 0;
  std::string name;
  if (!split_number(word, number, name) || name != "/s" || !(number > 0)) return {};
  return number;
}

std::optional<std::int64_t> whole_of(const std::string& word) {
  double number = 0;
  std::string rest;
  if (!split_number(word, number, rest) || !rest.empty() || number < 0 || number > 1e15 ||
      number != std::floor(number))
    return {};
  return static_cast<std::int64_t>(number);
}

// Reads when it happens; how many words that took, or none where it is not understood.
std::optional<std::size_t> read_when(const std::vector<std::string>& words, injected_fault& out) {
  if (words.empty()) return {};
  if (words[0] == "step") {
    if (words.size() > 1) out.step = whole_of(words[1]);
    return out.step ? std::optional<std::size_t>(2) : std::nullopt;
  }
  double number = 0;
  std::string rest;
  if (!split_number(words[0], number, rest)) return 0;
  if ((out.per_second = rate_of(words[0]))) return 1;
  if ((out.at = time_of(words[0]))) return 1;
  if (words.size() > 1 && (out.at = time_of(words[0] + words[1]))) return 2;
  return {};
}

// Takes "for 2 s" from the end. False: it is there, and not understood.
bool take_lasting(std::vector<std::string>& words, injected_fault& out) {
  const auto at = std::find(words.begin(), words.end(), "for");
  if (at == words.end()) return true;
  std::string time;
  for (auto word = at + 1; word != words.end(); ++word)
    time += *word;
  words.erase(at, words.end());
  return (out.lasts = time_of(time)).has_value();
}

std::string time_text(nanoseconds time) {
  return fmt::format("{:.10g} ms", std::chrono::duration<double, std::milli>(time).count());
}

std::string when_text(const injected_fault& f) {
  if (f.at) return time_text(*f.at) + ' ';
  if (f.step) return fmt::format("step {} ", *f.step);
  if (f.per_second) return fmt::format("{:.10g}/s ", *f.per_second);
  return {};
}

} // namespace

injected_fault again(const fault_record& r) {
  return {.what = r.what, .step = r.step, .lasts = r.lasts};
}

std::string text(const injected_fault& f) {
  const auto lasts = f.lasts ? " for " + time_text(*f.lasts) : "";
  return f.point ? "kill " + text(*f.point) : when_text(f) + text(f.what) + lasts;
}

std::string summary(const std::vector<fault_record>& all) {
  struct kind_of_fault {
    int count = 0;
    std::vector<double> recovery_ms;
  };

  std::map<std::string, kind_of_fault> kinds;
  for (const fault_record& r : all) {
    const auto words = words_of(r.what);
    const auto* kill = std::get_if<kill_fault>(&r.what);
    auto& kind =
        kinds[words.verb + ' ' + (kill != nullptr ? role_text(kill->who.role) : words.object)];
    ++kind.count;
    if (r.recovery_ms) kind.recovery_ms.push_back(*r.recovery_ms);
  }
  auto out = fmt::format("{} faults", all.size());
  for (auto& [name, kind] : kinds) {
    out += fmt::format("\n  {:<32} {:>6}", name, kind.count);
    auto& times = kind.recovery_ms;
    if (times.empty()) continue;
    std::sort(times.begin(), times.end());
    out += fmt::format("   recovery {:.3g} ms (median), {:.3g} ms (longest)",
                       times[times.size() / 2],
                       times.back());
  }
  return out;
}

std::vector<injected_fault> parse_injected_faults(const std::string& said,
                                                  const std::string& where) {
  auto words = words_in(said);
  injected_fault when;
  const auto read = read_when(words, when);
  if (!read || !take_lasting(words, when) || *read + 1 >= words.size())
    throw error({.what = fmt::format("'{}' is no fault", said),
                 .where = where,
                 .why = form,
                 .help = example});
  const std::string& verb = words[*read];
  std::string object;
  for (std::size_t i = *read + 1; i < words.size(); ++i)
    object += (object.empty() ? "" : " ") + words[i];
  if (verb == "kill" && object.find('@') != std::string::npos && *read == 0) {
    const auto point = parse_fault_point(object, where);
    return {{.what = kill_fault{point.who}, .point = point}};
  }
  std::vector<injected_fault> out;
  for (fault& f : parse_faults(verb, object, where)) {
    out.push_back(when);
    out.back().what = std::move(f);
  }
  return out;
}

} // namespace troupe
