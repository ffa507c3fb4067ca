#include "ops/files/atomic_file.hpp"
#include "troupe/job.hpp"
#include "troupe/schedule.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string_view>

namespace troupe {

namespace {

constexpr std::string_view letters = "FBIW"; // by op_kind

struct word {
  std::string_view text;
  std::size_t column = 1; // in bytes, from 1
};

// The words of one line up to its comment, and where it ends.
struct line {
  std::vector<word> words;
  std::size_t number = 1;
  std::size_t end = 1; // column
};

line words_of(std::string_view text, std::size_t number) {
  text = text.substr(0, text.find('#'));
  line out{.number = number, .end = text.size() + 1};
  constexpr std::string_view blanks = " \t\r";
  for (auto at = text.find_first_not_of(blanks); at != std::string_view::npos;) {
    const auto last = std::min(text.find_first_of(blanks, at), text.size());
    out.words.push_back({text.substr(at, last - at), at + 1});
    at = text.find_first_not_of(blanks, last);
  }
  return out;
}

// What may be shown of a file that may hold anything.
std::string shown(std::string_view text) {
  std::string out(text.substr(0, 24));
  for (char& c : out)
    if (c < ' ' || c > '~') c = '?';
  return text.size() > out.size() ? out + "..." : out;
}

class parser {
public:
  explicit parser(const std::string& path) : path_(path) {}

  schedule parse(std::string_view text) {
    line here;
    for (std::size_t number = 1;; ++number) {
      const auto end = std::min(text.find('\n'), text.size());
      here = words_of(text.substr(0, end), number);
      if (!here.words.empty()) out_.stages == 0 ? parse_sizes(here) : parse_stage(here);
      if (end == text.size()) break;
      text.remove_prefix(end + 1);
    }
    if (out_.stages == 0) refuse(here, here.end, "there is no schedule in it", first_line_help);
    for (std::size_t stage = 0; stage < seen_.size(); ++stage)
      if (!seen_[stage])
        refuse(here,
               here.end,
               fmt::format("stage {} has no line", stage),
               fmt::format("add a line '{}: F0 ...'", stage));
    return std::move(out_);
  }

private:
  static constexpr const char* first_line_help =
      "begin with 'schedule NAME stages S parts P microbatches M'";

  [[noreturn]] void
  refuse(const line& on, std::size_t column, std::string what, std::string help) const {
    throw error({.what = std::move(what), .where = place(on, column), .help = std::move(help)});
  }

  [[nodiscard]] std::string place(const line& on, std::size_t column) const {
    const auto here = fmt::format("line {}, column {}", on.number, column);
    return path_.empty() ? here : fmt::format("{}, {}", path_, here);
  }

  // A number of at most 9 digits, so that every type here holds it.
  [[nodiscard]] int
  number(const line& on, const word& w, std::string_view digits, const std::string& help) const {
    int value = 0;
    const auto [end, fault] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (digits.empty() || digits.size() > 9 || digits[0] == '-' || fault != std::errc{} ||
        end != digits.data() + digits.size())
      refuse(on,
             w.column + static_cast<std::size_t>(digits.data() - w.text.data()),
             digits.empty()
                 ? fmt::format("a number is missing in '{}'", shown(w.text))
                 : fmt::format("'{}' is not a number of at most 9 digits", shown(digits)),
             help);
    return value;
  }

  void parse_sizes(const line& on) {
    static constexpr std::string_view keys[] = {"schedule", "stages", "parts", "microbatches"};
    int sizes[4] = {};
    for (std::size_t i = 0; i < 8; ++i) {
      if (i >= on.words.size()) refuse(on, on.end, "the first line is cut off", first_line_help);
      const auto& w = on.words[i];
      if (i % 2 == 0 && w.text != keys[i / 2])
        refuse(on,
               w.column,
               fmt::format("'{}' instead of '{}'", shown(w.text), keys[i / 2]),
               first_line_help);
      if (i % 2 == 1 && i > 1) sizes[i / 2] = number(on, w, w.text, first_line_help);
    }
    if (on.words.size() > 8)
      refuse(on,
             on.words[8].column,
             fmt::format("'{}' after the sizes", shown(on.words[8].text)),
             "write each stage on a line of its own");
    const auto microbatches = static_cast<std::uint32_t>(sizes[3]);
    if (auto mistakes = size_mistakes(sizes[1], sizes[2], microbatches); !mistakes.empty()) {
      for (auto& mistake : mistakes)
        mistake.where = place(on, on.words[2].column);
      throw joined(mistakes);
    }
    seen_.resize(static_cast<std::size_t>(sizes[1]));
    out_ = {std::string(on.words[1].text), sizes[1], sizes[2], microbatches, {}};
    out_.per_stage.resize(seen_.size());
  }

  void parse_stage(const line& on) {
    const auto& first = on.words[0];
    static const std::string help =
        "begin a stage's line with its number and ':', as in '0: F0 B0'";
    if (first.text.back() != ':')
      refuse(on,
             first.column,
             fmt::format("'{}' is not the number of a stage and ':'", shown(first.text)),
             help);
    const int stage = number(on, first, first.text.substr(0, first.text.size() - 1), help);
    if (stage >= out_.stages)
      refuse(on,
             first.column,
             fmt::format("there is no stage {}", stage),
             fmt::format("use 0 to {}, or raise 'stages' in the first line", out_.stages - 1));
    const auto index = static_cast<std::size_t>(stage);
    if (seen_[index])
      refuse(on,
             first.column,
             fmt::format("stage {} has a second line", stage),
             "write all its operations on one");
    seen_[index] = true;
    for (std::size_t i = 1; i < on.words.size(); ++i)
      out_.per_stage[index].push_back(parse_op(on, on.words[i], stage));
  }

  [[nodiscard]] schedule_op parse_op(const line& on, const word& w, int stage) const {
    const auto kind = letters.find(w.text[0]);
    if (kind == std::string_view::npos)
      refuse(on,
             w.column,
             fmt::format("'{}' is not an operation", shown(w.text)),
             "use F (forward), B (backward), or I and W (its gradients of inputs and weights), and "
             "the microbatch: F0");
    const auto at = w.text.find('@');
    schedule_op op{.kind = static_cast<op_kind>(kind), .part = stage};
    static const std::string help = "write the letter, the microbatch and the part, as in F3@1";
    op.microbatch = static_cast<std::uint32_t>(number(on, w, w.text.substr(0, at).substr(1), help));
    if (at != std::string_view::npos)
      op.part = number(on, w, w.text.substr(at + 1), help);
    else if (out_.parts != out_.stages)
      refuse(on,
             w.column,
             fmt::format("{} does not say its part", shown(w.text)),
             fmt::format("write {}@{}; parts are named where they are not the stages",
                         shown(w.text),
                         stage));
    return op;
  }

  const std::string& path_;
  schedule out_{.stages = 0};
  std::vector<bool> seen_; // by stage
};

} // namespace

std::string text(const schedule_op& op, int assumed_part) {
  const char letter = letters[static_cast<std::size_t>(op.kind)];
  return op.part == assumed_part ? fmt::format("{}{}", letter, op.microbatch)
                                 : fmt::format("{}{}@{}", letter, op.microbatch, op.part);
}

std::string text(const schedule& s) {
  auto out = fmt::format("schedule {} stages {} parts {} microbatches {}\n",
                         s.name,
                         s.stages,
                         s.parts,
                         s.microbatches);
  for (std::size_t stage = 0; stage < s.per_stage.size(); ++stage) {
    out += fmt::format("{}:", stage);
    for (const auto& op : s.per_stage[stage])
      out += " " + text(op, s.parts == s.stages ? static_cast<int>(stage) : -1);
    out += "\n";
  }
  return out;
}

schedule parse_schedule(const std::string& text, const std::string& path) {
  return parser(path).parse(text);
}

schedule load_schedule(const std::string& path) {
  return parse_schedule(read_file(path), path);
}

} // namespace troupe
