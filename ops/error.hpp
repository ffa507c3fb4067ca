// A user's mistake, told in one shape everywhere: what is wrong, where it was said, the arithmetic
// that shows it, and what to do. Thrown before anything is spawned or written.
// Bugs are TROUPE_ASSERT (ops/assert.hpp); expected run-time faults are values.
#pragma once

#include <stdexcept>
#include <string>

namespace troupe {

// What has to change: the file or the numbers of the job, what was asked for, or the machine.
enum class error_kind { failure, request, environment };

struct error_text {
  std::string what;  // the user's noun first: "batch 64 does not split into 3 replicas"
  std::string where; // file, option or layer that said it; may be empty
  std::string why;   // actual and allowed numbers; may be empty
  std::string help;  // one concrete cure that can be pasted; may be empty
  error_kind kind = error_kind::failure;
};

// what() is the whole text:
//   batch 64 does not split into 3 replicas
//     --> --replicas 3
//     64 = 3 x 21 + 1
//     help: use 2 or 4 replicas
class error : public std::runtime_error {
public:
  explicit error(error_text text);

  [[nodiscard]] const error_text& text() const noexcept { return text_; }

private:
  error_text text_;
};

// The candidate nearest to `word` (Levenshtein distance <= 1/2 of its length), or "".
std::string
did_you_mean(const std::string& word, const std::string* first, const std::string* last);

} // namespace troupe
