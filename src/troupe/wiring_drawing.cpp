#include "troupe/wiring_drawing.hpp"

#include "troupe/program_output.hpp"
#include "troupe/wiring_picture.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string_view>

namespace troupe {

namespace {

// Names come from files too: no character of theirs may end a quotation or be a tag.
std::string escaped(std::string_view text, std::string_view special, const char* pattern) {
  std::string out;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < ' ')
      out += ' ';
    else if (special.find(c) != std::string_view::npos)
      out += fmt::format(fmt::runtime(pattern), c, static_cast<int>(c));
    else
      out += c;
  }
  return out;
}

std::string dot_text(std::string_view text) {
  return escaped(text, "\"\\", "\\{0}");
}

// Mermaid writes a character by its code: #34; is a quotation mark.
std::string mermaid_text(std::string_view text) {
  return escaped(text, "\"<>&#;`", "#{1};");
}

template <class Escape>
std::string lines_of(const detail::picture_box& box, const char* between, Escape escape) {
  std::string out;
  for (const auto& line : box.lines)
    out += (out.empty() ? "" : between) + escape(line);
  return out;
}

std::string dot_arrow(const detail::picture_arrow& a) {
  std::string how = "style=dashed, color=\"#b0b0b0\", arrowsize=0.5, constraint=false";
  if (a.tensors) how = fmt::format("label=\"{}\"", dot_text(detail::label_of(a)));
  if (a.back) how += ", constraint=false, color=\"#2f5fa8\", fontcolor=\"#2f5fa8\"";
  return fmt::format("  b{} -> b{} [{}, tooltip=\"{}{}\"];\n",
                     a.from,
                     a.to,
                     how,
                     dot_text(a.what),
                     a.count > 1 ? fmt::format(", {} times", a.count) : "");
}

} // namespace

std::string dot(const wiring& w, const wiring_price* price) {
  const auto p = detail::picture_of(w, price);
  std::string out = fmt::format(R"(digraph wiring {{
  label="{}\ndashed: control; requests, evaluation and saving are not drawn";
  labelloc=t; rankdir=LR; fontname="Helvetica"; nodesep=0.3; ranksep=0.9;
  node [shape=box, style="rounded,filled", fontname="Helvetica", fontsize=11];
  edge [fontname="Helvetica", fontsize=9];
)",
                                dot_text(p.title));
  for (std::size_t f = 0; f < p.frames.size(); ++f) {
    out += fmt::format(
        "  subgraph cluster_{} {{\n    label=\"{}\"; style=\"rounded\"; color=\"#808080\";\n",
        f,
        dot_text(p.frames[f].title));
    for (const auto b : p.frames[f].boxes)
      out += fmt::format("    b{} [label=\"{}\", fillcolor=\"{}\"];\n",
                         b,
                         lines_of(p.boxes[b], "\\n", dot_text),
                         detail::colour_of(p.boxes[b].kind));
    out += "  }\n";
  }
  for (const auto& a : p.arrows)
    out += dot_arrow(a);
  return out + "}\n";
}

std::string mermaid(const wiring& w, const wiring_price* price) {
  const auto p = detail::picture_of(w, price);
  std::string out = fmt::format("---\ntitle: \"{}\"\n---\nflowchart LR\n", dot_text(p.title));
  for (std::size_t f = 0; f < p.frames.size(); ++f) {
    out += fmt::format("  subgraph n{}[\"{}\"]\n", f, mermaid_text(p.frames[f].title));
    for (const auto b : p.frames[f].boxes)
      out += fmt::format("    b{}[\"{}\"]\n", b, lines_of(p.boxes[b], "<br/>", mermaid_text));
    out += "  end\n";
  }
  for (const auto& a : p.arrows)
    out += a.tensors
               ? fmt::format(
                     "  b{} -- \"{}\" --> b{}\n", a.from, mermaid_text(detail::label_of(a)), a.to)
               : fmt::format("  b{} -.-> b{}\n", a.from, a.to);
  for (std::size_t b = 0; b < p.boxes.size(); ++b)
    out += fmt::format(
        "  style b{} fill:{},stroke:#808080,color:#000\n", b, detail::colour_of(p.boxes[b].kind));
  return out;
}

std::string svg(const wiring& w, const wiring_price* price) {
  return detail::output_of({"dot", "-Tsvg"}, dot(w, price), "graphviz");
}

} // namespace troupe
