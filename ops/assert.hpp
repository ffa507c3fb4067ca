// TROUPE_ASSERT(condition, "message"): a bug of ours. On in release builds; prints the expression,
// the place and the message to stderr and ends the process.
#pragma once

#include <string_view>

namespace troupe::detail {

[[noreturn]] void
assertion_failed(const char* expression, const char* file, int line, std::string_view message);

} // namespace troupe::detail

#define TROUPE_ASSERT(condition, message)                                                          \
  do {                                                                                             \
    if (!(condition)) [[unlikely]]                                                                 \
      ::troupe::detail::assertion_failed(#condition, __FILE__, __LINE__, (message));               \
  } while (false)
