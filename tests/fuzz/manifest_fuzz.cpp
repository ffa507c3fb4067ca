#include "ops/digest.hpp"
#include "ops/files/checkpoint_manifest.hpp"
#include "support/fuzz.hpp"

#include <stdexcept>

using namespace troupe;
using namespace troupe::test;

namespace {

// Behind the seal is where the mistakes are: it is made good again.
std::string sealed(std::string text) {
  const std::string key = "\"seal\": \"";
  const auto at = text.find(key);
  if (at == std::string::npos || at + key.size() + 16 > text.size()) return text;
  text.replace(at + key.size(), 16, 16, '0');
  return text.replace(at + key.size(), 16, digest_text(digest_of(text.data(), text.size())));
}

} // namespace

int main(int argc, char** argv) {
  const checkpoint_manifest m{.step = 12,
                              .slots = 2,
                              .residuals = 1,
                              .islands = 2,
                              .island_slots = 1,
                              .island_parameters = true,
                              .job = {{"model", "small"}},
                              .shards = {{"parameter_holder-0-1.safetensors", 100, 7},
                                         {"parameter_holder-1-2.safetensors", 200, 8}}};
  const std::string good = manifest_text(m);
  const auto read = [&](const std::string& bytes) {
    for (const shard_file& s : parse_manifest(sealed(bytes), "m").shards)
      if (s.name.find('/') != std::string::npos)
        throw std::logic_error("a manifest names a file of another folder");
    if (bytes != good && parse_manifest(bytes, "m") != m)
      throw std::logic_error("a mutated manifest was accepted");
  };
  return fuzz(argc, argv, {"manifest", {good}, read});
}
