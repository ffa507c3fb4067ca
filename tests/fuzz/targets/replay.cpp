// Plays the files of folders to a fuzz target, and its seeds; or writes the seeds:
//
//   fuzzed_NAME FOLDER...
//   fuzzed_NAME --seeds FOLDER
#include "fuzz/targets/target.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>

namespace {

using namespace troupe::fuzz;

void play(const std::string& input) {
  (void)LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
}

void write_seeds(const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  int number = 0;
  for (const std::string& seed : seeds())
    std::ofstream(folder / ("seed" + std::to_string(number++)), std::ios::binary) << seed;
}

} // namespace

int main(int count, char** words) {
  if (count == 3 && std::string(words[1]) == "--seeds") {
    write_seeds(words[2]);
    return 0;
  }
  int played = 0;
  for (const std::string& seed : seeds()) {
    play(seed);
    ++played;
  }
  for (int i = 1; i < count; ++i)
    for (const auto& entry : std::filesystem::directory_iterator(words[i])) {
      std::ifstream file(entry.path(), std::ios::binary);
      play({std::istreambuf_iterator<char>(file), {}});
      ++played;
    }
  std::printf("%d inputs\n", played);
  return 0;
}
