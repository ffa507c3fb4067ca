// Its input and output are files that have no name: nobody waits for the other end of a pipe.
#include "troupe/program_output.hpp"

#include "ops/error.hpp"

#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <system_error>

namespace troupe::detail {

namespace {

struct closing {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

using unnamed_file = std::unique_ptr<std::FILE, closing>;

[[noreturn]] void fail(const std::string& program, const std::string& why) {
  throw error({.what = fmt::format("the program {} failed", program),
               .why = why,
               .kind = error_kind::environment});
}

unnamed_file file_with(const std::string& program, const std::string& content) {
  unnamed_file out(std::tmpfile());
  if (!out) fail(program, std::generic_category().message(errno));
  if (std::fwrite(content.data(), 1, content.size(), out.get()) != content.size() ||
      std::fflush(out.get()) != 0)
    fail(program, std::generic_category().message(errno));
  std::rewind(out.get());
  return out;
}

std::string content_of(std::FILE* file) {
  std::rewind(file);
  std::string out;
  std::array<char, 1 << 16> part{};
  for (std::size_t got = 0; (got = std::fread(part.data(), 1, part.size(), file)) > 0;)
    out.append(part.data(), got);
  return out;
}

} // namespace

std::string output_of(const std::vector<std::string>& words,
                      const std::string& input,
                      const std::string& package) {
  const auto& program = words.front();
  const auto in = file_with(program, input), out = file_with(program, ""),
             complaints = file_with(program, "");
  std::vector<std::string> copies = words;
  std::vector<char*> arguments;
  for (auto& word : copies)
    arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t files;
  ::posix_spawn_file_actions_init(&files);
  ::posix_spawn_file_actions_adddup2(&files, ::fileno(in.get()), STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&files, ::fileno(out.get()), STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&files, ::fileno(complaints.get()), STDERR_FILENO);
  ::pid_t child = 0;
  const int problem =
      ::posix_spawnp(&child, program.c_str(), &files, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&files);
  if (problem == ENOENT)
    throw error({.what = fmt::format("the program {} is missing", program),
                 .why = "it is not in the PATH",
                 .help = fmt::format("apt install {}", package),
                 .kind = error_kind::environment});
  if (problem != 0) fail(program, std::generic_category().message(problem));
  int status = 0;
  while (::waitpid(child, &status, 0) < 0)
    if (errno != EINTR) fail(program, std::generic_category().message(errno));
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    fail(program, content_of(complaints.get()).substr(0, 1000));
  return content_of(out.get());
}

} // namespace troupe::detail
