#include "cli/node_process.hpp"

#include "cli/launch_keeper.hpp"
#include "cli/mistakes.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <system_error>

namespace troupe::cli {

namespace {

class descriptor {
public:
  descriptor() = default;

  explicit descriptor(int number) : number_(number) {}

  descriptor(const descriptor&) = delete;
  descriptor& operator=(const descriptor&) = delete;

  ~descriptor() { close(); }

  [[nodiscard]] int get() const { return number_; }

  void close() {
    if (number_ >= 0) ::close(number_);
    number_ = -1;
  }

private:
  int number_ = -1;
};

int opened(const std::string& path, int how) {
  if (path.empty()) return -1;
  const int out = ::open(path.c_str(), how | O_CLOEXEC, 0644);
  if (out < 0)
    throw mistakes({.what = fmt::format("cannot open {}", path),
                    .where = "the files of a node",
                    .why = std::generic_category().message(errno),
                    .help = "choose a folder that you may write with --log-folder"},
                   exit_environment);
  return out;
}

// As execve wants it; points into `texts`.
std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (std::string& text : texts)
    out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

// All that happens between fork and exec: calls that are safe there.
[[noreturn]] void become(char* const* words,
                         char* const* variables,
                         const std::array<int, 3>& files,
                         int inherits,
                         pid_t parent,
                         int keeper,
                         int trouble) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(exit_failed); // it died before the kernel knew what to do
  tell_keeper(keeper, ::getpid());
  for (int target = 0; target < 3; ++target)
    if (files.at(static_cast<std::size_t>(target)) >= 0)
      ::dup2(files.at(static_cast<std::size_t>(target)), target);
  if (inherits >= 0) ::fcntl(inherits, F_SETFD, 0);
  sigset_t none;
  sigemptyset(&none);
  ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
  ::execvpe(words[0], words, variables);
  const int why = errno;
  tell_keeper(keeper, -::getpid());
  if (::write(trouble, &why, sizeof why) != sizeof why) ::_exit(exit_usage);
  ::_exit(exit_usage);
}

[[noreturn]] void throw_not_run(const std::string& program, int why) {
  throw mistakes({.what = fmt::format("cannot run '{}'", program),
                  .where = "the words after --",
                  .why = std::generic_category().message(why),
                  .help = program.find('/') == std::string::npos
                              ? fmt::format("./{} if it is a file of this folder", program)
                              : fmt::format("chmod +x {}, if it is there", program)});
}

} // namespace

pid_t start_process(const process_plan& plan, int keeper) {
  std::vector<std::string> words = plan.words, variables;
  for (const auto& [name, value] : plan.variables)
    variables.push_back(fmt::format("{}={}", name, value));
  const auto word_pointers = pointers_to(words), variable_pointers = pointers_to(variables);
  const descriptor input(plan.hears ? -1 : opened("/dev/null", O_RDONLY));
  constexpr int append = O_WRONLY | O_CREAT | O_APPEND;
  const descriptor output(opened(plan.output, append)), errors(opened(plan.errors, append));
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw_not_run(words.front(), errno);
  const descriptor reading(ends[0]);
  descriptor writing(ends[1]);

  const pid_t parent = ::getpid(), child = ::fork();
  if (child < 0) throw_not_run(words.front(), errno);
  if (child == 0)
    become(word_pointers.data(),
           variable_pointers.data(),
           {input.get(), output.get(), errors.get()},
           plan.inherits,
           parent,
           keeper,
           writing.get());
  ::setpgid(child, child); // here, too: nobody waits for the other
  writing.close();
  int why = 0;
  if (::read(reading.get(), &why, sizeof why) != sizeof why) return child; // closed by exec
  ::waitpid(child, nullptr, 0);
  throw_not_run(words.front(), why);
}

void open_standard_files() {
  int opened = 0;
  while (opened >= 0 && opened <= STDERR_FILENO)
    opened = ::open("/dev/null", O_RDWR);
  if (opened >= 0) ::close(opened);
}

std::string ending_text(int status) {
  if (WIFEXITED(status)) return fmt::format("ended with code {}", WEXITSTATUS(status));
  const int signal = WTERMSIG(status);
  const char* name = ::sigabbrev_np(signal);
  return name != nullptr ? fmt::format("was killed by SIG{}", name)
                         : fmt::format("was killed by signal {}", signal);
}

int code_of(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

} // namespace troupe::cli
