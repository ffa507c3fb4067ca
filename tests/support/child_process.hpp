// Does something in a copy of this process, so that a crash or a hang is an answer, too.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <sstream>
#include <string>
#include <vector>

namespace troupe::test {

struct child_answers {
  std::vector<std::string> lines;
  int signal = 0; // that ended it; SIGALRM: a line took too long
};

struct child {
  pid_t process = 0;
  int says = -1;
};

// Calls answer(say) there, where say(text) is a line. REQUIRES: this process has one thread.
template <class Answer>
child start_child(unsigned seconds_max, Answer answer) {
  std::array<int, 2> ends{};
  if (pipe(ends.data()) != 0) return {};
  const pid_t process = fork();
  if (process == 0) {
    for (const int s : {SIGSEGV, SIGABRT, SIGFPE, SIGBUS, SIGILL, SIGALRM})
      std::signal(s, SIG_DFL);
    alarm(seconds_max);
    answer([&](std::string text) {
      for (char& c : text)
        if (c == '\n') c = ' ';
      text += '\n';
      if (write(ends[1], text.data(), text.size()) != static_cast<ssize_t>(text.size())) _exit(1);
      alarm(seconds_max);
    });
    _exit(0);
  }
  close(ends[1]);
  return {process, ends[0]};
}

// What it says until its end.
inline child_answers answers_of(const child& c) {
  std::stringstream said;
  std::array<char, 4096> bytes{};
  for (ssize_t n = 0; (n = read(c.says, bytes.data(), bytes.size())) > 0;)
    said.write(bytes.data(), n);
  close(c.says);
  int status = 0;
  waitpid(c.process, &status, 0);
  child_answers out;
  for (std::string line; std::getline(said, line);)
    out.lines.push_back(line);
  if (WIFSIGNALED(status)) out.signal = WTERMSIG(status);
  return out;
}

template <class Answer>
child_answers in_child(unsigned seconds_max, Answer answer) {
  return answers_of(start_child(seconds_max, answer));
}

} // namespace troupe::test
