#include "troupe/run_control.hpp"

#include "troupe/start_run.hpp"
#include "troupe/wait_graph_json.hpp"

#include <fmt/format.h>

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

address actor_in(const wiring& w, const control_arguments& request) {
  const auto said = argument(request, "who", "");
  if (said.empty())
    throw error({.what = "nothing says who is to be killed",
                 .where = "who",
                 .why = "an actor has an address, its role among it",
                 .help = R"({"ask": "kill", "who": "layer_shard/1/0"})",
                 .kind = error_kind::request});
  const auto who = parse_address(said);
  check_mortal(w, who, "kill " + said);
  return who;
}

} // namespace

std::map<std::string, control_request> requests_to(const controlled_run& run, const wiring& w) {
  return {{"why",
           [why = run.why](const control_arguments& r) {
             return told(why(), argument(r, "as", "text"));
           }},
          {"kill",
           [kill = run.kill, &w](const control_arguments& r) {
             const auto who = actor_in(w, r);
             kill(who);
             return fmt::format("{} is killed at its next message", who.text());
           }},
          {"stop", [stop = run.stop](const control_arguments&) {
             stop();
             return std::string("the job ends after the steps that have begun");
           }}};
}

} // namespace troupe
