#include "cli/plot_files.hpp"

#include "cli/mistakes.hpp"
#include "cli/run_folder.hpp"
#include "ops/files/atomic_file.hpp"

#include <fmt/format.h>

#include <filesystem>

namespace troupe::cli {

namespace {

namespace fs = std::filesystem;

bool is_file(const std::string& path) {
  return path.ends_with(".svg");
}

} // namespace

void check_plot(const std::string& path) {
  if (path.empty()) return;
  if (is_file(path)) return check_writable(path, "--plot");
  std::error_code problem;
  fs::create_directories(path, problem);
  if (problem)
    throw mistakes({.what = fmt::format("{} cannot be made", path),
                    .where = "--plot " + path,
                    .why = problem.message(),
                    .help = "--plot FILE.svg, or a folder that you may write to"},
                   exit_environment);
}

void write_plots(const std::string& path, const named_charts& charts) {
  if (path.empty() || charts.empty()) return;
  if (!is_file(path)) {
    for (const auto& [name, content] : charts)
      write_file_atomically((fs::path(path) / (name + ".svg")).string(), svg({content}));
    return;
  }
  std::vector<chart> all;
  for (const auto& [name, content] : charts)
    all.push_back(content);
  write_file_atomically(path, svg(all, 2));
}

} // namespace troupe::cli
