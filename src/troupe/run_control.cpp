#include "troupe/run_control.hpp"

#include "troupe/wait_graph_json.hpp"

#include <fmt/format.h>

#include <charconv>
#include <utility>

namespace troupe {

namespace {

std::string
argument(const control_arguments& request, const std::string& name, const std::string& otherwise) {
  const auto found = request.find(name);
  return found == request.end() ? otherwise : found->second;
}

std::string told(const wait_graph& g, const std::string& as) {
  if (as == "text") return text(g);
  if (as == "json") return wait_graph_json(g);
  if (as == "dot") return graphviz(g);
  throw error({.what = fmt::format("who waits for whom is not told as '{}'", as),
               .where = "as",
               .why = "it is told as text, json or dot",
               .help = R"({"ask": "why", "as": "json"})",
               .kind = error_kind::request});
}

std::string
said(const control_arguments& request, const std::string& name, const error_text& none) {
  const auto out = argument(request, name, "");
  if (out.empty()) throw error(none);
  return out;
}

std::string kill(const controlled_run& run, const control_arguments& request) {
  const auto who = parse_address(said(request,
                                      "who",
                                      {.what = "nothing says who is to be killed",
                                       .where = "who",
                                       .why = "an actor has an address, its role among it",
                                       .help = R"({"ask": "kill", "who": "layer_shard/1/0"})",
                                       .kind = error_kind::request}));
  run.inject({.what = kill_fault{who}});
  return fmt::format("{} is killed at its next message", who.text());
}

std::string drain(const controlled_run& run, const control_arguments& request) {
  const auto words = argument(request, "node", "");
  std::uint32_t node = 0;
  const auto* end = words.data() + words.size();
  if (words.empty() || std::from_chars(words.data(), end, node).ptr != end)
    throw error({.what = "nothing says which node is to be drained",
                 .where = "node " + words,
                 .why = "nodes have numbers",
                 .help = R"({"ask": "drain", "node": "1"})",
                 .kind = error_kind::request});
  run.drain(node);
  return fmt::format("the actors of node {} go on elsewhere; then it ends", node);
}

// All or nothing is added, unless a world changes its mind in between.
std::string inject(const controlled_run& run, const control_arguments& request) {
  const auto words = said(request,
                          "fault",
                          {.what = "nothing says what is to go wrong",
                           .where = "fault",
                           .why = "a fault is what goes wrong, and when",
                           .help = R"({"ask": "inject", "fault": "2/s kill any"})",
                           .kind = error_kind::request});
  std::string out;
  for (const auto& f : parse_injected_faults(words, "inject " + words)) {
    run.inject(f);
    out += (out.empty() ? "" : "\n") + text(f) + ": it is injected";
  }
  return out;
}

} // namespace

std::map<std::string, control_request> requests_to(const controlled_run& run) {
  return {{"why",
           [why = run.why](const control_arguments& r) {
             return told(why(), argument(r, "as", "text"));
           }},
          {"kill", [run](const control_arguments& r) { return kill(run, r); }},
          {"drain", [run](const control_arguments& r) { return drain(run, r); }},
          {"inject", [run](const control_arguments& r) { return inject(run, r); }},
          {"calm",
           [calm = run.calm](const control_arguments&) {
             calm();
             return std::string("nothing more is injected");
           }},
          {"faults", [faults = run.faults](const control_arguments&) { return summary(faults()); }},
          {"stop", [stop = run.stop](const control_arguments&) {
             stop();
             return std::string("the job ends after the steps that have begun");
           }}};
}

} // namespace troupe
