#include "cli/mistakes.hpp"

#include <utility>

namespace troupe::cli {

mistakes::mistakes(std::vector<error_text> all, exit_code code)
    : std::runtime_error(report(all)), all_(std::move(all)), code_(code) {}

mistakes::mistakes(error_text one, exit_code code)
    : mistakes(std::vector<error_text>{std::move(one)}, code) {}

std::string report(const error_text& text) {
  std::string out = "error: " + text.what + "\n";
  if (!text.where.empty()) out += "  --> " + text.where + "\n";
  if (!text.why.empty()) out += "  " + text.why + "\n";
  if (!text.help.empty()) out += "  help: " + text.help + "\n";
  return out;
}

std::string report(const std::vector<error_text>& all) {
  std::string out;
  for (const error_text& text : all)
    out += report(text);
  return out;
}

std::string suggestion(const std::string& word,
                       const std::vector<std::string>& known,
                       const std::string& otherwise) {
  const std::string near = did_you_mean(word, known.data(), known.data() + known.size());
  return near.empty() ? otherwise : "did you mean '" + near + "'?";
}

std::string choice_text(const std::vector<std::string>& choices) {
  std::string out;
  for (std::size_t i = 0; i < choices.size(); ++i) {
    if (i > 0) out += i + 1 == choices.size() ? " or " : ", ";
    out += choices[i];
  }
  return out;
}

} // namespace troupe::cli
