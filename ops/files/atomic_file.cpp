#include "ops/files/atomic_file.hpp"

#include "ops/error.hpp"
#include "ops/files/count_text.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

namespace troupe {

namespace {

std::string folder_of(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

std::string cure(int code, const std::string& path) {
  switch (code) {
  case ENOENT:
    return "create the folder: mkdir -p " + folder_of(path);
  case ENOSPC:
  case EDQUOT:
  case EFBIG:
    return "free some space or write to another disk";
  case EACCES:
  case EPERM:
  case EROFS:
    return "write to a folder that you may write to, or change its permissions";
  case EISDIR:
    return "name a file, not a folder";
  default:
    return "";
  }
}

[[noreturn]] void throw_unwritten(const std::string& path, const char* action, int code) {
  throw error({.what = "cannot write " + path,
               .where = std::string(action),
               .why = std::strerror(code), // NOLINT(concurrency-mt-unsafe): glibc's is thread-safe
               .help = cure(code, path)});
}

[[noreturn]] void throw_unread(const std::string& path, int code) {
  const bool absent = code == ENOENT;
  throw error({.what = "cannot read " + path,
               .where = "",
               .why = std::strerror(code), // NOLINT(concurrency-mt-unsafe): glibc's is thread-safe
               .help = absent ? "check the path" : ""});
}

// Closes on every way out; close() reports write errors of some file systems, hence closed().
class descriptor {
public:
  explicit descriptor(int number) noexcept : number_(number) {}

  descriptor(const descriptor&) = delete;
  descriptor& operator=(const descriptor&) = delete;

  ~descriptor() {
    if (number_ >= 0) ::close(number_);
  }

  [[nodiscard]] int number() const noexcept { return number_; }

  bool closed() noexcept { return ::close(std::exchange(number_, -1)) == 0; }

private:
  int number_;
};

// Removes the temporary unless the rename took it away.
class temporary {
public:
  explicit temporary(std::string path) : path_(std::move(path)) {}

  temporary(const temporary&) = delete;
  temporary& operator=(const temporary&) = delete;

  ~temporary() {
    if (!renamed_) ::unlink(path_.c_str());
  }

  [[nodiscard]] const std::string& path() const noexcept { return path_; }

  void renamed() noexcept { renamed_ = true; }

private:
  std::string path_;
  bool renamed_ = false;
};

// 0, or the errno of the write that failed.
int write_all(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return 0;
}

// Two that write the same file at once, in this process or in two, do not meet.
std::string temporary_path(const std::string& path) {
  static std::atomic<unsigned> number{0};
  return path + "." + std::to_string(::getpid()) + "-" + std::to_string(++number) +
         std::string(temporary_ending);
}

// What happened in it, a rename or a new folder, outlives a power cut then. `path` is what is new.
void sync_folder(const std::string& folder, const std::string& path) {
  const descriptor opened(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (opened.number() < 0) throw_unwritten(path, "opening its folder", errno);
  // Some network file systems have no fsync of folders and say EINVAL: they order renames
  // themselves.
  if (::fsync(opened.number()) != 0 && errno != EINVAL)
    throw_unwritten(path, "fsync of its folder", errno);
}

int open_new(const std::string& path) {
  return ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
}

} // namespace

struct new_file::state {
  explicit state(std::string asked) : path(std::move(asked)) {}

  std::string path; // that was asked for, for the error texts
  std::string temporary_name = temporary_path(path);
  descriptor file{open_new(temporary_name)};
  int opened = errno; // where there is no file
  std::optional<temporary> beside = {};
};

new_file::new_file(const std::string& path) : state_(std::make_unique<state>(path)) {
  if (state_->file.number() < 0) throw_unwritten(path, "opening its temporary", state_->opened);
  state_->beside.emplace(state_->temporary_name);
}

new_file::~new_file() = default;

void new_file::append(std::string_view bytes) {
  if (const int code = write_all(state_->file.number(), bytes); code != 0)
    throw_unwritten(state_->path, "writing its temporary", code);
}

void new_file::keep_as(const std::string& path) {
  auto& [asked, name, file, opened, beside] = *state_;
  if (::fsync(file.number()) != 0) throw_unwritten(path, "fsync of its temporary", errno);
  if (!file.closed()) throw_unwritten(path, "closing its temporary", errno);
  if (::rename(name.c_str(), path.c_str()) != 0)
    throw_unwritten(path, "renaming its temporary", errno);
  beside->renamed();

  sync_folder(folder_of(path), path);
}

void write_file_atomically(const std::string& path, std::string_view bytes) {
  new_file file(path);
  file.append(bytes);
  file.keep_as(path);
}

void make_folder_durably(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code problem;
  std::vector<fs::path> fresh;
  for (fs::path at = fs::absolute(path, problem); !fs::exists(at, problem); at = at.parent_path())
    fresh.push_back(at);
  fs::create_directories(path, problem);
  if (problem)
    throw error({.what = "a folder cannot be made",
                 .where = path,
                 .why = problem.message(),
                 .help = "choose a folder that you may write to"});
  for (const auto& made : fresh)
    sync_folder(folder_of(made.string()), made.string());
}

std::string read_file(const std::string& path) {
  const descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.number() < 0) throw_unread(path, errno);

  struct stat status {};

  if (::fstat(file.number(), &status) != 0) throw_unread(path, errno);
  if (S_ISDIR(status.st_mode)) throw_unread(path, EISDIR);
  if (!S_ISREG(status.st_mode))
    throw error(
        {.what = "cannot read " + path, .where = "", .why = "not a regular file", .help = ""});

  std::string bytes(static_cast<std::size_t>(status.st_size), '\0');
  std::size_t at = 0;
  while (at < bytes.size()) {
    const ssize_t got = ::read(file.number(), bytes.data() + at, bytes.size() - at);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw_unread(path, errno);
    if (got == 0)
      throw error({.what = "cannot read " + path,
                   .where = "",
                   .why = "it shrank from " + count_text(bytes.size()) + " to " + count_text(at) +
                          " bytes while it was read",
                   .help = "wait until its writer is done"});
    at += static_cast<std::size_t>(got);
  }
  return bytes;
}

} // namespace troupe
