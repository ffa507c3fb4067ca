#include "troupe/faults.hpp"

#include "ops/error.hpp"
#include "troupe/units.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <sstream>
#include <utility>

namespace troupe {

namespace {

using std::chrono::nanoseconds;

constexpr const char* form = "[TIME | step N | N/s] VERB OBJECT [for TIME], or kill "
                             "ADDRESS@step=N,message=K";
constexpr const char* example = "30 ms kill layer_shard/1";

std::vector<std::string> words_in(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream in(text);
  for (std::string word; in >> word;)
    out.push_back(word);
  return out;
}

std::optional<nanoseconds> time_of(const std::string& words) {
  nanoseconds time{};
  return parse_time(words, time) ? std::optional(time) : std::nullopt;
}

std::optional<double> rate_of(const std::string& word) {
  double per_second = 0;
  return parse_rate(word, per_second) ? std::optional(per_second) : std::nullopt;
}

std::optional<std::int64_t> step_of(const std::string& word) {
  std::int64_t step = 0;
  return parse_whole(word, step) && step >= 0 ? std::optional(step) : std::nullopt;
}

// Reads when it happens; how many words that took, or none where it is not understood.
std::optional<std::size_t> read_when(const std::vector<std::string>& words, injected_fault& out) {
  if (words.empty()) return {};
  if (words[0] == "step") {
    if (words.size() > 1) out.step = step_of(words[1]);
    return out.step ? std::optional<std::size_t>(2) : std::nullopt;
  }
  if (words[0].find_first_of("-.0123456789") != 0) return 0;
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
  if (r.point) return {.what = r.what, .point = r.point};
  return {.what = r.what, .step = r.step, .lasts = r.lasts};
}

std::string text(const injected_fault& f) {
  const auto lasts = f.lasts ? " for " + time_text(*f.lasts) : "";
  return f.point ? "kill " + text(*f.point) : when_text(f) + text(f.what) + lasts;
}

std::string text(const fault_record& r) {
  return r.point ? "kill " + text(*r.point) : text(r.what);
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
