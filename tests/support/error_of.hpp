// The text of the troupe::error that `action` throws, or "" where it throws none.
#pragma once

#include "ops/error.hpp"

#include <string>

namespace troupe::test {

template <class Action>
std::string error_of(Action action) {
  try {
    action();
  } catch (const error& thrown) {
    return thrown.what();
  }
  return "";
}

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

} // namespace troupe::test

// Both texts are printed where the check fails.
#define CHECK_ERROR(action, part)                                                                  \
  do {                                                                                             \
    const std::string error_text_ = ::troupe::test::error_of([&] { (void)(action); });             \
    INFO("error: ", error_text_, "\nwanted: ", std::string(part));                                 \
    CHECK(::troupe::test::contains(error_text_, part));                                            \
  } while (false)
