#include "cli/watched_run.hpp"

#include "cli/mistakes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>

namespace troupe::cli {

namespace fs = std::filesystem;

namespace {

bool is_run(const fs::path& folder) {
  std::error_code ignored;
  return fs::is_regular_file(folder / "job.toml", ignored);
}

// Of a run nothing is written of yet: when it was made.
fs::file_time_type written(const fs::path& folder) {
  fs::file_time_type out = fs::file_time_type::min();
  for (const char* name : {"job.toml", "metrics.jsonl", "events.jsonl"}) {
    std::error_code missing;
    const auto when = fs::last_write_time(folder / name, missing);
    if (!missing) out = std::max(out, when);
  }
  return out;
}

std::vector<fs::path> runs() {
  std::vector<fs::path> out;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator("runs", ignored))
    if (is_run(entry.path())) out.push_back(entry.path());
  return out;
}

std::string newest() {
  const auto all = runs();
  const auto last = std::max_element(all.begin(), all.end(), [](const auto& a, const auto& b) {
    return std::pair(written(a), a) < std::pair(written(b), b);
  });
  if (last != all.end()) return last->string();
  throw mistakes({.what = "there is no run to watch",
                  .where = "runs/ of " + fs::current_path().string(),
                  .why = "a job that runs writes into a folder there, or into its --run-folder",
                  .help = "troupe top RUN_FOLDER"});
}

bool is_step_or_links(const std::string& line) {
  return line.starts_with(R"({"event":"step")") || line.starts_with(R"({"event":"links")");
}

} // namespace

std::string watched_folder(const std::string& asked) {
  if (asked.empty()) return newest();
  for (const fs::path& at : {fs::path(asked), fs::path("runs") / asked})
    if (is_run(at)) return at.lexically_normal().string();
  std::vector<std::string> names;
  for (const fs::path& run : runs())
    names.push_back(run.string());
  std::error_code ignored;
  const bool there = fs::exists(asked, ignored);
  throw mistakes({.what = there ? asked + " is no run folder" : "there is no " + asked,
                  .where = "troupe top " + asked,
                  .why = there ? "it has no job.toml" : "",
                  .help = suggestion(asked, names, "troupe top alone shows the newest of runs/")});
}

watched_run::watched_run(const std::string& folder)
    : folder_(folder),
      figures_((fs::path(folder) / "metrics.jsonl").string()),
      events_((fs::path(folder) / "events.jsonl").string()) {}

// Steps first: an end has the last word.
const run_view& watched_run::look() {
  for (const std::string& line : figures_.fresh())
    if (is_step_or_links(line)) view_.take(line);
  for (const std::string& line : events_.fresh())
    view_.take(line);
  return view_;
}

double watched_run::silent() const {
  const auto since = fs::file_time_type::clock::now() - written(folder_);
  return std::max(0.0, std::chrono::duration<double>(since).count());
}

} // namespace troupe::cli
