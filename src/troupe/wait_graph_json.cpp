#include "troupe/wait_graph_json.hpp"

#include <nlohmann/json.hpp>

#include <chrono>

namespace troupe {

namespace {

using object = nlohmann::ordered_json;

double seconds_of(std::chrono::nanoseconds t) {
  return std::chrono::duration<double>(t).count();
}

object json_of(const wait& w) {
  object out = {{"what", wait_name(w.what)}};
  if (w.from) out["from"] = w.from->text();
  if (w.step != wait::no_step) out["step"] = w.step;
  if (w.blocks > 0) {
    out["block"] = w.block;
    out["blocks"] = w.blocks;
  }
  if (w.microbatches > 0) {
    out["microbatch"] = w.microbatch;
    out["microbatches"] = w.microbatches;
  }
  if (w.island > 0) out["island"] = w.island;
  if (w.guessed) out["guessed"] = true;
  if (w.due.count() > 0) out["due_seconds"] = seconds_of(w.due);
  return out;
}

object json_of(const waiting_actor& a) {
  object out = {{"who", a.who.text()},
                {"incarnation", a.life},
                {"node", a.node},
                {"state", state_name(a.state)}};
  if (a.quiet) out["quiet_seconds"] = seconds_of(*a.quiet);
  if (a.remaining.count() > 0) out["remaining_seconds"] = seconds_of(a.remaining);
  if (a.unheard > 0) out["unheard"] = a.unheard;
  if (!a.last.empty()) out["last_heard"] = a.last;
  out["waits"] = object::array();
  for (const wait& w : a.waits)
    out["waits"].push_back(json_of(w));
  return out;
}

object json_of(const suspect& s) {
  object out = {{"why", blame_name(s.why)}, {"text", s.text}};
  if (s.why == blame::cut_link) {
    out["from_node"] = s.node;
    out["to_node"] = s.to_node;
  } else {
    out["who"] = s.who.text();
    out["node"] = s.node;
  }
  if (s.since) out["seconds"] = seconds_of(*s.since);
  for (const address& a : s.circle)
    out["circle"].push_back(a.text());
  out["path"] = object::array();
  for (const auto& step : s.path) {
    auto one = json_of(step.what);
    one["who"] = step.who.text();
    out["path"].push_back(std::move(one));
  }
  return out;
}

} // namespace

std::string wait_graph_json(const wait_graph& g) {
  const auto verdict = verdict_of(g);
  object out = {{"headline", headline(verdict)}, {"held_up", verdict.is_held_up()}};
  if (verdict.step != wait::no_step) out["step"] = verdict.step;
  out["over"] = g.over;
  out["suspects"] = object::array();
  for (const suspect& s : verdict.suspects)
    out["suspects"].push_back(json_of(s));
  out["nodes"] = object::array();
  for (const auto& n : g.nodes)
    out["nodes"].push_back({{"node", n.node}, {"state", state_name(n.state)}, {"why", n.why}});
  out["mail"] = object::array();
  for (const auto& m : g.mail)
    out["mail"].push_back({{"from", m.from.text()},
                           {"to", m.to.text()},
                           {"messages", m.messages},
                           {"seconds", seconds_of(m.age)},
                           {"cut", m.cut}});
  out["actors"] = object::array();
  for (const auto& a : g.actors)
    out["actors"].push_back(json_of(a));
  return out.dump(-1, ' ', false, object::error_handler_t::replace);
}

} // namespace troupe
