#include "ops/assert.hpp"

#include <cstdio>
#include <cstdlib>

namespace troupe::detail {

void assertion_failed(const char* expression,
                      const char* file,
                      int line,
                      std::string_view message) {
  std::fprintf(stderr,
               "bug: %.*s\n  --> %s:%d\n  %s\n",
               static_cast<int>(message.size()),
               message.data(),
               file,
               line,
               expression);
  std::abort();
}

} // namespace troupe::detail
