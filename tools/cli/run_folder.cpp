#include "cli/run_folder.hpp"

#include "cli/mistakes.hpp"
#include "ops/files/atomic_file.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <filesystem>

namespace troupe::cli {

namespace fs = std::filesystem;

constexpr const char* launch_name = "launch";

namespace {

constexpr int runs_per_day_max = 100'000;

[[noreturn]] void
throw_unwritable(const std::string& path, const std::string& where, const std::string& why) {
  throw mistakes({.what = fmt::format("cannot write {}", path),
                  .where = where,
                  .why = why,
                  .help = "choose a path in a folder that exists and that you may write"},
                 exit_environment);
}

// The run folder that a path belongs to: itself, or the one around its checkpoints.
fs::path run_folder_around(const std::string& path) {
  if (path.empty()) return {};
  std::error_code ignored;
  fs::path at = fs::absolute(path, ignored).lexically_normal();
  for (int level = 0; level < 3 && !at.empty(); ++level, at = at.parent_path()) {
    const bool named = level == 0 || fs::exists(at / "checkpoints", ignored);
    if (named && fs::is_regular_file(at / "job.toml", ignored)) return at;
  }
  return {};
}

// A file name without surprises: the data may be a path.
std::string name_part(const std::string& name) {
  std::string out;
  for (const char c : name) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_';
    out += plain ? c : '-';
  }
  return out.substr(0, 60);
}

fs::path new_numbered(const std::string& name) {
  std::error_code code;
  fs::create_directories("runs", code);
  if (code)
    throw_unwritable("runs", "the run folder is made in the current folder", code.message());
  const std::time_t now = std::time(nullptr);
  const std::string stem = fmt::format("{:%Y-%m-%d}-{}", fmt::localtime(now), name_part(name));
  for (int k = 1; k < runs_per_day_max; ++k) {
    const fs::path at = fs::path("runs") / fmt::format("{}-{}", stem, k);
    if (fs::create_directory(at, code)) return at;
    if (code) throw_unwritable(at.string(), "the run folder", code.message());
  }
  throw_unwritable("runs/" + stem, "the run folder", "there are too many runs of this name");
}

fs::path new_named(const std::string& asked) {
  std::error_code code;
  if (fs::exists(fs::path(asked) / "job.toml", code))
    throw mistakes({.what = fmt::format("run folder {} has a run in it", asked),
                    .where = "--run-folder " + asked,
                    .why = "a second run never overlays the first",
                    .help = fmt::format("--resume {} goes on with it", asked)});
  fs::create_directories(asked, code);
  if (code) throw_unwritable(asked, "--run-folder " + asked, code.message());
  return asked;
}

} // namespace

void check_writable(const std::string& path, const std::string& option) {
  if (path.empty()) return;
  const std::string where = fmt::format("{} {}", option, path);
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) throw_unwritable(path, where, "it is a folder");
  fs::path folder = fs::path(path).parent_path();
  if (folder.empty()) folder = ".";
  if (!fs::is_directory(folder, ignored))
    throw_unwritable(path, where, fmt::format("there is no folder {}", folder.string()));
  const bool there = fs::exists(path, ignored);
  if (::access(there ? path.c_str() : folder.c_str(), W_OK) != 0)
    throw_unwritable(
        path, where, std::strerror(errno)); // NOLINT(concurrency-mt-unsafe): one thread
}

void check_readable(const std::string& path, const std::string& option) {
  if (path.empty() || ::access(path.c_str(), R_OK) == 0) return;
  throw mistakes({.what = fmt::format("cannot read {}", path),
                  .where = fmt::format("{} {}", option, path),
                  .why = std::strerror(errno), // NOLINT(concurrency-mt-unsafe): one thread
                  .help = "check the path"});
}

std::string job_file_of_resume(const std::string& path) {
  const fs::path folder = run_folder_around(path);
  return folder.empty() ? ""
                        : (folder / "job.toml").lexically_proximate(fs::current_path()).string();
}

std::string checkpoints_of_resume(const std::string& path) {
  std::error_code ignored;
  const fs::path inner = fs::path(path) / "checkpoints";
  return fs::is_directory(inner, ignored) ? inner.string() : path;
}

run_folder
run_folder::open(const std::string& asked, const std::string& resume, const std::string& name) {
  run_folder out;
  if (asked == "none") return out;
  const fs::path resumed = run_folder_around(resume);
  const fs::path at = !asked.empty()     ? new_named(asked)
                      : !resumed.empty() ? resumed.lexically_proximate(fs::current_path())
                                         : new_numbered(name);
  out.path_ = at.string();
  std::error_code code;
  out.made_ = !fs::exists(at / "job.toml", code);
  fs::create_directories(at / "checkpoints", code);
  if (code || ::access(at.c_str(), W_OK) != 0)
    throw_unwritable(out.path_, "the run folder", code ? code.message() : "permission denied");
  return out;
}

run_folder run_folder::left_behind(const std::string& asked, const std::string& launch) {
  run_folder out;
  if (asked == "none") return out;
  std::error_code code;
  const auto is_it = [&](const fs::path& at) {
    return fs::exists(at / "job.toml", code) &&
           (!asked.empty() || (fs::exists(at / launch_name, code) && !launch.empty() &&
                               read_file((at / launch_name).string()) == launch));
  };
  if (!asked.empty()) {
    if (is_it(asked)) out.path_ = asked;
    return out;
  }
  for (fs::directory_iterator at("runs", code), end; !code && at != end; at.increment(code))
    if (is_it(at->path())) out.path_ = at->path().string();
  return out;
}

std::string run_folder::file(const std::string& name) const {
  return kept() ? (fs::path(path_) / name).string() : "";
}

void run_folder::discard() const {
  if (!made_) return;
  std::error_code ignored;
  for (const char* name :
       {"job.toml", launch_name, "log.jsonl", "metrics.jsonl", "events.jsonl", "checkpoints"})
    fs::remove(fs::path(path_) / name, ignored);
  fs::remove(path_, ignored); // stays where something else lies in it
}

void run_folder::write_job(const std::string& text, const std::string& launch) const {
  std::error_code ignored;
  if (!kept() || fs::exists(file("job.toml"), ignored)) return;
  if (!launch.empty()) write_file_atomically(file(launch_name), launch);
  write_file_atomically(file("job.toml"), text);
}

} // namespace troupe::cli
