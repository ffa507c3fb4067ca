#include "ops/files/atomic_file.hpp"
#include "support/data_files.hpp"
#include "support/fuzz.hpp"

#include <stdexcept>

using namespace troupe;
using namespace troupe::test;

namespace {

constexpr std::size_t bytes_max = 4096;

void read_mutated(const std::string& bytes) {
  if (decompress_maybe_gzip(bytes, "f", bytes_max).size() > bytes_max)
    throw std::logic_error("more than the bound");
}

} // namespace

int main(int argc, char** argv) {
  const std::string bomb = gzip(std::string(1'000'000, 'x'));
  return fuzz(argc,
              argv,
              {"gzip", {gzip(ramp(3000)), gzip("a") + gzip("b"), gzip(""), bomb}, read_mutated});
}
