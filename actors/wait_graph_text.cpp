// What a wait graph looks like to people.
#include "actors/wait_graph.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

namespace troupe {

namespace {

constexpr std::size_t suspects_max = 6, waits_max = 3;

std::string duration_text(std::chrono::nanoseconds t) {
  const double seconds = std::chrono::duration<double>(t).count();
  return seconds < 1 ? fmt::format("{:.0f} ms", seconds * 1e3) : fmt::format("{:.1f} s", seconds);
}

// The actor at fault, not who waits for it.
std::string name_of(const suspect& s) {
  return s.why == blame::cut_link || s.why == blame::on_its_way ? "" : s.who.text();
}

const char* help_for(blame b) {
  switch (b) {
  case blame::cut_link:
    return "heal the link; what was sent arrives then";
  case blame::missing_node:
    return "start the node again, or look why it does not come: its log says it";
  case blame::silent_node:
    return "look whether its process is stopped and its machine there; after a second of silence "
           "it counts as lost";
  case blame::paused_node:
    return "resume the node";
  case blame::down:
    return "nothing: who is down is started again as the supervision tree says";
  case blame::stuck:
    return "nothing: who is stuck is taken for dead after its progress_within, and restarted";
  case blame::circle:
    return "this is a bug: keep what is printed here; killing one of them may set the others free";
  case blame::computing:
    return "it is not stuck but slow: balanced shares or backup replicas make the others wait less";
  case blame::on_its_way:
  case blame::starting:
  case blame::idle:
    break;
  }
  return "nothing: the job goes on in a moment; ask again";
}

std::string state_text(const wait_graph& g, const waiting_actor& a) {
  if (const auto* n = g.node(a.node)) return state_name(n->state);
  if (a.state == actor_state::alive) return a.waits.empty() ? "idle" : "waits";
  if (a.state == actor_state::handling) return "in a handler";
  return state_name(a.state);
}

std::string waits_text(const waiting_actor& a) {
  std::string out;
  for (std::size_t i = 0; i < std::min(a.waits.size(), waits_max); ++i) {
    const auto& w = a.waits[i];
    out += (i > 0 ? "; " : "") + text(w);
    if (w.what == wait_kind::backoff)
      out += fmt::format(": {} in {}", w.from->text(), duration_text(w.due));
  }
  if (a.waits.size() > waits_max) out += fmt::format("; and {} more", a.waits.size() - waits_max);
  return out;
}

// Those that are not well, then those that wait, the ones that have waited for longest first.
std::vector<const waiting_actor*> in_order(const wait_graph& g) {
  std::vector<const waiting_actor*> out;
  for (const auto& a : g.actors)
    out.push_back(&a);
  const auto rank = [&](const waiting_actor* a) {
    const bool unwell = g.node(a->node) != nullptr ||
                        (a->state != actor_state::alive && a->state != actor_state::computing);
    const bool busy = a->state == actor_state::computing || !a->waits.empty();
    return std::tuple(unwell ? 0 : busy ? 1 : 2, -a->quiet.value_or(std::chrono::nanoseconds(0)));
  };
  std::stable_sort(
      out.begin(), out.end(), [&](const auto* a, const auto* b) { return rank(a) < rank(b); });
  return out;
}

class story {
public:
  story(const wait_graph& g, std::size_t lines_max)
      : g_(g), verdict_(verdict_of(g)), left_(lines_max) {}

  std::string tell() {
    if (g_.over) return "the job is over: nobody waits";
    line(headline(verdict_));
    if (!verdict_.suspects.empty()) tell_path(verdict_.suspects.front());
    tell_others();
    tell_actors();
    if (!verdict_.suspects.empty())
      line(fmt::format("  help: {}", help_for(verdict_.suspects.front().why)), true);
    if (!g_.knows_all)
      line("  only the actors of this node are known here; node 0 knows all", true);
    return out_;
  }

private:
  bool line(const std::string& said, bool always = false) {
    if (left_ == 0 && !always) return false;
    if (left_ > 0) --left_;
    out_ += (out_.empty() ? "" : "\n") + said;
    return true;
  }

  void tell_path(const suspect& s) {
    std::size_t width = 0;
    for (const auto& step : s.path)
      width = std::max(width, step.who.text().size());
    for (const auto& step : s.path)
      line(fmt::format("  {:{}}  waits for {}", step.who.text(), width, text(step.what)));
  }

  void tell_others() {
    const auto& all = verdict_.suspects;
    const auto last = std::min(all.size(), suspects_max);
    for (std::size_t i = 1; i < last; ++i)
      if (all[i].why <= blame::computing) line(fmt::format("  also: {}", all[i].text));
  }

  void tell_actors() {
    line(fmt::format("  {} of {} actors wait:", verdict_.waiting, g_.actors.size()));
    std::size_t width = 5, told = 0;
    const auto order = in_order(g_);
    for (std::size_t i = 0; i < std::min(order.size(), left_); ++i)
      width = std::max(width, order[i]->who.text().size());
    for (const auto* a : order) {
      if (left_ <= 1 && order.size() - told > 1) break;
      tell_actor(*a, width);
      ++told;
    }
    if (told < order.size()) line(fmt::format("    and {} more", order.size() - told), true);
  }

  void tell_actor(const waiting_actor& a, std::size_t width) {
    std::string said = fmt::format(
        "    {:{}}  node {}, life {}: {}", a.who.text(), width, a.node, a.life, state_text(g_, a));
    if (a.quiet) said += fmt::format(" for {}", duration_text(*a.quiet));
    if (!a.waits.empty()) said += ", for " + waits_text(a);
    if (a.unheard > 0) said += fmt::format(", {} unheard", a.unheard);
    if (!a.last.empty()) said += "; last heard " + a.last;
    line(said);
  }

  const wait_graph& g_;
  const wait_verdict verdict_;
  std::size_t left_;
  std::string out_;
};

std::string quoted(std::string name) {
  return '"' + std::move(name) + '"';
}

const char* colour_of(const wait_graph& g, const waiting_actor& a) {
  if (g.node(a.node) != nullptr || a.state == actor_state::down || a.state == actor_state::handling)
    return "tomato";
  if (a.state == actor_state::computing) return "palegreen";
  return a.waits.empty() ? "gray90" : "lightyellow";
}

} // namespace

std::string headline(const wait_verdict& v) {
  if (v.suspects.empty()) return "nobody waits";
  const auto& worst = v.suspects.front();
  const auto who = name_of(worst);
  const auto step = v.step == wait::no_step ? "the job" : fmt::format("step {}", v.step);
  if (who.empty() || worst.text.find(who) != std::string::npos)
    return fmt::format("{} waits: {}", step, worst.text);
  return fmt::format("{} waits for {}: {}", step, who, worst.text);
}

std::string text(const wait_graph& g, std::size_t lines_max) {
  return story(g, lines_max).tell();
}

std::string graphviz(const wait_graph& g, std::size_t actors_max) {
  const auto verdict = verdict_of(g);
  std::string out = "digraph waits {\n  rankdir=LR;\n  node [shape=box, style=filled, "
                    "fontname=\"sans-serif\"];\n  label=" +
                    quoted(headline(verdict)) + ";\n";
  const auto order = in_order(g);
  const auto shown = std::min(order.size(), actors_max);
  for (std::size_t i = 0; i < shown; ++i) {
    const auto& a = *order[i];
    out += fmt::format("  {} [label=\"{}\\nnode {}, {}{}\", fillcolor={}];\n",
                       quoted(a.who.text()),
                       a.who.text(),
                       a.node,
                       state_text(g, a),
                       a.quiet ? " for " + duration_text(*a.quiet) : "",
                       colour_of(g, a));
    for (const wait& w : a.waits)
      if (w.from)
        out += fmt::format("  {} -> {} [label={}{}];\n",
                           quoted(a.who.text()),
                           quoted(w.from->text()),
                           quoted(wait_name(w.what)),
                           w.guessed ? ", style=dashed" : "");
  }
  if (shown < order.size())
    out += fmt::format("  \"and {} more actors\" [shape=plaintext, style=\"\"];\n",
                       order.size() - shown);
  return out + "}\n";
}

} // namespace troupe
