// A terminal that is redrawn as a whole, on a screen of its own that leaves what was there before
// as it was. Keys are read without waiting for a line, and none of them is shown.
#pragma once

#include <termios.h>

#include <string>
#include <vector>

namespace troupe::cli {

class watching_terminal {
public:
  watching_terminal(); // of the standard input and output
  ~watching_terminal();
  watching_terminal(const watching_terminal&) = delete;
  watching_terminal& operator=(const watching_terminal&) = delete;

  void show(const std::vector<std::string>& lines);
  [[nodiscard]] bool wants_to_end(int milliseconds) const; // waits so long for q or Ctrl-C

  struct size {
    int columns = 80, lines = 24;
  };

  static size size_now(); // of the standard output

private:
  bool reads_ = false;
  termios before_{};
};

} // namespace troupe::cli
