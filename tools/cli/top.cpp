#include "cli/commands.hpp"
#include "cli/interrupt.hpp"
#include "cli/mistakes.hpp"
#include "cli/top_frame.hpp"
#include "cli/values.hpp"
#include "cli/watched_run.hpp"
#include "cli/watching_terminal.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace troupe::cli {

namespace {

constexpr int frames_per_second = 2, looks_per_frame = 5;

bool wants_colour() {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing writes the environment.
  const char* no_colour = std::getenv("NO_COLOR");
  return no_colour == nullptr || *no_colour == '\0';
}

void print_once(watched_run& run, const std::string& folder, bool json) {
  const run_view& now = run.look();
  const frame_options o{.folder = folder, .silent = run.silent()};
  if (json) {
    fmt::print("{}\n", frame_json(now, o));
    return;
  }
  for (const std::string& line : frame_of(now, o))
    fmt::print("{}\n", line);
}

void watch(watched_run& run, const std::string& folder) {
  interrupt_watch interrupt; // that is sent: Ctrl-C is a key here
  interrupt.on_first([] {});
  watching_terminal terminal;
  const bool colour = wants_colour();
  for (;;) {
    const auto size = watching_terminal::size_now();
    const run_view& now = run.look();
    terminal.show(frame_of(now,
                           {.folder = folder,
                            .silent = run.silent(),
                            .width = size.columns,
                            .height = size.lines,
                            .colour = colour}));
    for (int i = 0; i < looks_per_frame; ++i)
      if (interrupt.interrupted() ||
          terminal.wants_to_end(1000 / frames_per_second / looks_per_frame))
        return;
  }
}

} // namespace

int top(const command_line& line) {
  value_reader read(line.values);
  const std::string folder = watched_folder(read.text("run-folder"));
  const bool once = read.flag("once"), json = read.flag("json");
  if (!read.wrong().empty()) throw mistakes(read.wrong());
  watched_run run(folder);
  if (once || json || ::isatty(STDOUT_FILENO) == 0)
    print_once(run, folder, json);
  else
    watch(run, folder);
  return exit_done;
}

} // namespace troupe::cli
