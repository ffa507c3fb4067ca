#include "ops/data/idx.hpp"
#include "support/data_files.hpp"
#include "support/fuzz.hpp"

#include <stdexcept>

using namespace troupe;
using namespace troupe::test;

namespace {

// Image and label files are mutated as one, with the place of the cut in front.
constexpr char cut_mark = '|';

void read_mutated(const std::string& bytes) {
  const std::size_t cut = std::min(bytes.find(cut_mark), bytes.size());
  const std::string images = bytes.substr(0, cut);
  const std::string labels = bytes.substr(std::min(cut + 1, bytes.size()));
  const dataset data = idx_dataset({images, "images"}, {labels, "labels"}, 0);
  if (data.size() < 1 ||
      std::cmp_not_equal(data.pixels.size(), data.size() * data.image.elements()))
    throw std::logic_error("the data set contradicts itself");
  for (const std::uint8_t label : data.labels)
    if (label >= data.classes) throw std::logic_error("label out of range");
}

} // namespace

int main(int argc, char** argv) {
  const std::string grey = idx_bytes({3, 2, 2}, ramp(12)) + cut_mark + idx_bytes({3}, "\1\2\3");
  const std::string colour = idx_bytes({2, 3, 2, 2}, ramp(24)) + cut_mark + idx_bytes({2}, "\1\2");
  return fuzz(argc, argv, {"idx", {grey, colour}, read_mutated});
}
