// The built program as a process that a test can signal, and what it says on stderr.
#pragma once

#include "support/scratch_folder.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace troupe::test {

inline std::string text_of(const std::string& path) {
  std::ostringstream out;
  out << std::ifstream(path).rdbuf();
  return out.str();
}

// False: not within ten seconds.
inline bool comes_true(const std::function<bool()>& condition) {
  for (int tries = 0; tries < 5000; ++tries) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return false;
}

// As this is written, whether a process of this number runs; a zombie does not.
inline bool runs(pid_t process) {
  const std::string stat = text_of("/proc/" + std::to_string(process) + "/stat");
  const auto name_end = stat.rfind(')');
  return name_end != std::string::npos && stat[name_end + 2] != 'Z';
}

// In a folder of its own, which holds "out" and "err", and in whose "tmp" the launch keeps its own.
class launched_program {
public:
  launched_program(const scratch_folder& in, std::vector<std::string> words)
      : folder_(in.path()), words_(std::move(words)) {
    std::filesystem::create_directories(folder_ + "/tmp");
    words_.insert(words_.begin(), TROUPE_PROGRAM);
    process_ = ::fork();
    if (process_ == 0) become();
  }

  launched_program(const launched_program&) = delete;
  launched_program& operator=(const launched_program&) = delete;

  ~launched_program() {
    if (process_ == 0) return;
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
  }

  void signal(int number) const { ::kill(process_, number); }

  pid_t process() const { return process_; }

  // The process of a node that it started, as it runs now; 0: none.
  pid_t node(int number) const {
    const std::string place = "TROUPE_RANK=" + std::to_string(number) + '\0';
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      const std::string name = entry.path().filename().string();
      if (name.find_first_not_of("0123456789") != std::string::npos) continue;
      const std::string stat = text_of(entry.path() / "stat");
      const auto name_end = stat.rfind(')');
      if (name_end == std::string::npos) continue;
      std::istringstream fields(stat.substr(name_end + 1));
      std::string state;
      pid_t parent = 0;
      fields >> state >> parent;
      if (parent == process_ && text_of(entry.path() / "environ").find(place) != std::string::npos)
        return static_cast<pid_t>(std::stol(name));
    }
    return 0;
  }

  // Its exit code, or 128 + the signal that ended it.
  int wait() {
    int status = 0;
    ::waitpid(process_, &status, 0);
    process_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

  std::string output() const { return text_of(folder_ + "/out"); }

  std::string errors() const { return text_of(folder_ + "/err"); }

  // Whether its own folder, with sockets, is gone.
  bool left_nothing() const { return std::filesystem::is_empty(folder_ + "/tmp"); }

private:
  [[noreturn]] void become() {
    if (::chdir(folder_.c_str()) != 0) ::_exit(99);
    ::dup2(::open("out", O_WRONLY | O_CREAT | O_TRUNC, 0600), 1);
    ::dup2(::open("err", O_WRONLY | O_CREAT | O_TRUNC, 0600), 2);
    ::setenv("TMPDIR", (folder_ + "/tmp").c_str(), 1);
    ::unsetenv("XDG_RUNTIME_DIR");
    std::vector<char*> words;
    for (std::string& word : words_)
      words.push_back(word.data());
    words.push_back(nullptr);
    ::execv(words[0], words.data());
    ::_exit(99);
  }

  std::string folder_;
  std::vector<std::string> words_;
  pid_t process_ = 0;
};

} // namespace troupe::test
