#include "ops/files/checkpoint.hpp"
#include "support/fuzz.hpp"
#include "support/small_layout.hpp"

#include <stdexcept>

using namespace troupe;
using namespace troupe::test;

int main(int argc, char** argv) {
  const parameter_layout layout = small_layout();
  checkpoint c;
  c.step = 12;
  c.parameters = random_blocks(layout, 1, false);
  c.slots = {random_blocks(layout, 2, true)};
  c.job = {{"model", "small"}};
  const std::string good = checkpoint_bytes(layout, c);
  const auto read = [&](const std::string& bytes) {
    const checkpoint back = parse_checkpoint(bytes, "c", layout);
    // Mutations may cancel out; anything else that passes would be a hole in the digest.
    if (bytes != good) throw std::logic_error("a mutated checkpoint was accepted");
    if (back.step != c.step) throw std::logic_error("another step came back");
  };
  return fuzz(argc, argv, {"checkpoint", {good}, read});
}
