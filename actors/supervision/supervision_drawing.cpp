// Pictures of a supervision tree.
#include "actors/supervision/supervision_tree.hpp"

#include <fmt/format.h>

#include <string_view>

namespace troupe {

namespace {

constexpr std::size_t children_drawn = 12; // of a supervisor; the rest is one box

struct box {
  int above = -1; // its supervisor's
  std::string name, facts;
  bool supervises = false;
};

std::string facts_of(const supervisor_spec& s) {
  return fmt::format("{}, {}", word_of(s.strategy), text(s.of_all));
}

void add_boxes(std::vector<box>& out, const supervisor_spec& s, int above) {
  for (std::size_t i = 0; i < s.children.size(); ++i) {
    const child_spec& c = s.children[i];
    const auto left = s.children.size() - i;
    if (i + 1 == children_drawn && left > 1) {
      out.push_back({above, fmt::format("{} more", left), "like these"});
      return;
    }
    const auto here = static_cast<int>(out.size());
    out.push_back(
        {above, c.id, c.below ? facts_of(*c.below) : word_of(c.restart), c.below != nullptr});
    if (c.below) add_boxes(out, *c.below, here);
  }
}

std::vector<box> boxes_of(const supervision_tree& t) {
  std::vector<box> out{{-1, "root", facts_of(t.root), true}};
  add_boxes(out, t.root, 0);
  return out;
}

// Names are the user's: no character may end a quotation or be a tag.
std::string plain(std::string_view text) {
  std::string out;
  for (const char c : text)
    out += static_cast<unsigned char>(c) < ' ' ||
                   std::string_view("\"\\<>&#;`[]").find(c) != std::string_view::npos
               ? '_'
               : c;
  return out;
}

const char* colour_of(const box& b) {
  return b.supervises ? "#cfe2ff" : "#eeeeee";
}

} // namespace

std::string dot(const supervision_tree& t) {
  const auto boxes = boxes_of(t);
  std::string out = R"(digraph supervision {
  rankdir=LR; fontname="Helvetica"; nodesep=0.2;
  node [shape=box, style="rounded,filled", fontname="Helvetica", fontsize=11];
)";
  for (std::size_t b = 0; b < boxes.size(); ++b)
    out += fmt::format("  b{} [label=\"{}\\n{}\", fillcolor=\"{}\"];\n",
                       b,
                       plain(boxes[b].name),
                       plain(boxes[b].facts),
                       colour_of(boxes[b]));
  for (std::size_t b = 1; b < boxes.size(); ++b)
    out += fmt::format("  b{} -> b{};\n", boxes[b].above, b);
  return out + "}\n";
}

std::string mermaid(const supervision_tree& t) {
  const auto boxes = boxes_of(t);
  std::string out = "flowchart LR\n";
  for (std::size_t b = 0; b < boxes.size(); ++b)
    out += fmt::format("  b{}[\"{}<br/>{}\"]\n", b, plain(boxes[b].name), plain(boxes[b].facts));
  for (std::size_t b = 1; b < boxes.size(); ++b)
    out += fmt::format("  b{} --> b{}\n", boxes[b].above, b);
  for (std::size_t b = 0; b < boxes.size(); ++b)
    out += fmt::format("  style b{} fill:{},stroke:#808080,color:#000\n", b, colour_of(boxes[b]));
  return out;
}

} // namespace troupe
