#include "ops/data/cifar10.hpp"
#include "support/data_files.hpp"
#include "support/fuzz.hpp"

#include <stdexcept>

using namespace troupe;
using namespace troupe::test;

namespace {

void read_mutated(const std::string& bytes) {
  dataset data;
  append_cifar10(data, bytes, "f");
  if (data.size() < 1 || data.pixels.size() != data.labels.size() * 3072)
    throw std::logic_error("the data set contradicts itself");
  for (const std::uint8_t label : data.labels)
    if (label > 9) throw std::logic_error("label out of range");
}

} // namespace

int main(int argc, char** argv) {
  const std::string two = cifar10_record(3, 'p') + cifar10_record(9, 'q');
  return fuzz(argc, argv, {"cifar10", {two, cifar10_record(0, '\0')}, read_mutated});
}
