#include "cli/serve.hpp"

#include "cli/mistakes.hpp"
#include "ops/digest.hpp"

#include <fmt/format.h>

#include <cstdio>

namespace troupe::cli {

int serve(const cluster& c, const wiring& w, run_options options, interrupt_watch& watch) {
  const auto say = [name = fmt::format("node {} of {}", c.place->number, c.place->count)](
                       const std::string& text) {
    fmt::print(stderr, "{}: {}\n", name, text);
    std::fflush(stderr);
  };
  options.observer = [&](const run_event& event) {
    if (const auto* node = std::get_if<node_event>(&event)) say(node->text);
  };
  say(fmt::format("plays its part of {}, met at {}", w.name, c.place->coordinator));
  run going = c.start(w, std::move(options));
  watch.on_first([&] { going.stop(); }); // the whole job
  const run_result r = going.wait();
  watch.on_first([] {});
  say(fmt::format("the job {} after {} steps, digest {}",
                  r.interrupted ? "was interrupted" : "is done",
                  r.steps,
                  digest_text(r.parameter_digest)));
  return r.interrupted ? exit_interrupted : exit_done;
}

} // namespace troupe::cli
