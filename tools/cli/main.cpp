#include "cli/commands.hpp"

int main(int count, char** words) {
  return troupe::cli::run_program({words + 1, words + count});
}
