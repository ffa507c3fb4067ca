#include "cli/serve.hpp"

#include "cli/mistakes.hpp"
#include "ops/digest.hpp"

#include <fmt/format.h>

#include <cstdio>

namespace troupe::cli {

int serve(const cluster& c, const wiring& w, run_options options, interrupt_watch& watch) {
  const auto say = [&](const std::string& text) {
    fmt::print(stderr, "{}\n", text);
    std::fflush(stderr);
  };
  options.observer = [&](const run_event& event) {
    if (const auto* node = std::get_if<node_event>(&event)) say(node->text);
  };
  say(fmt::format("{} of {} nodes of {}, met at {}",
                  c.place->spare < 0 ? fmt::format("node {}", c.place->number) : "a spare",
                  c.place->count,
                  w.name,
                  c.place->coordinator));
  run going = c.start(w, std::move(options));
  watch.on_first([&] { going.stop(); }); // the whole job
  const run_result r = going.wait();
  watch.on_first([] {});
  if (r.drained) {
    say(fmt::format("node {} was drained: the job goes on without it", r.node));
    return exit_done;
  }
  say(fmt::format("node {}: the job {} after {} steps, digest {}",
                  r.node,
                  r.interrupted ? "was interrupted" : "is done",
                  r.steps,
                  digest_text(r.parameter_digest)));
  return r.interrupted ? exit_interrupted : exit_done;
}

} // namespace troupe::cli
