#include "src/small_jobs.hpp"
#include "support/error_of.hpp"
#include "troupe/program_output.hpp"

#include <doctest/doctest.h>

#include <regex>
#include <sstream>
#include <string>
#include <vector>

using namespace troupe;
using namespace troupe::test;

namespace {

int count(const std::string& text, const std::string& part) {
  int out = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
    ++out;
  return out;
}

bool has_graphviz() {
  return error_of([] { detail::output_of({"dot", "-V"}, "", "graphviz"); }).empty();
}

} // namespace

TEST_CASE("a drawing has a box for each role, a frame for each node and names what is said") {
  const auto w = pipeline(small_job(1), {.stages = 2});
  const auto drawn = dot(w);
  CHECK(count(drawn, "fillcolor=") == static_cast<int>(w.roles.size()));
  CHECK(count(drawn, "subgraph cluster_") == 2);
  for (const char* what : {"\"batch\"",
                           "\"activation\"",
                           "\"activation gradient\"",
                           "\"gradient\"",
                           "\"summed gradient\"",
                           "\"parameters\""})
    CHECK_MESSAGE(contains(drawn, std::string("label=") + what), what);
  CHECK(contains(drawn, "layer_shard/0/1\\npart 1: "));
  CHECK_FALSE(contains(drawn, "want_"));
}

TEST_CASE("a priced drawing tells the bytes of a step") {
  const auto w = pipeline(small_job(1), {.stages = 2});
  const auto price = price_of(w);
  CHECK(contains(dot(w, &price), "label=\"activation, "));
  CHECK(contains(dot(w, &price), " GFLOP, "));
  CHECK(contains(mermaid(w, &price), "-- \"activation, "));
  CHECK_FALSE(contains(dot(w, &price), "label=\"gradient\""));
}

TEST_CASE("a large wiring is drawn with one box for all replicas") {
  const auto w = hybrid(small_job(1, 16), {.replicas = 8, .stages = 2});
  REQUIRE(w.roles.size() > 40);
  const auto drawn = dot(w);
  CHECK(count(drawn, "fillcolor=") < 16);
  CHECK(contains(drawn, "layer_shard/0/1 and 7 like it\\npart 1: "));
  CHECK(contains(drawn, "nodes 0, 2, 4, 6, ... 14"));
  CHECK(contains(drawn, "tooltip=\"gradient, 64 times\""));
}

TEST_CASE("groups are drawn apart from what they send to") {
  const auto w = data_parallel(small_job(1), {.replicas = 4, .holders = 1, .groups = 2});
  CHECK(count(dot(w), "label=\"gradient of a group\"") == 2);
  const auto large = data_parallel(small_job(1, 16), {.replicas = 16, .groups = 2});
  REQUIRE(large.roles.size() > 40);
  const auto price = price_of(large);
  CHECK(contains(dot(large), "gradient_aggregator/0/1 and 31 like it"));
  CHECK(contains(dot(large, &price), "label=\"gradient of a group, "));
}

TEST_CASE("names from a file end no quotation") {
  auto w = pipeline(small_job(1), {.stages = 2});
  w.name = "a\"]; b [label=\"\\";
  w.parts[0].layers = "<script>\n\"";
  CHECK(contains(dot(w), R"(label="a\"]; b [label=\"\\\n)"));
  CHECK(contains(dot(w), R"(part 0: <script> \")"));
  CHECK(contains(mermaid(w), "part 0: #60;script#62; #34;"));
}

TEST_CASE("mermaid has the same boxes") {
  const auto w = data_parallel(small_job(1), {.replicas = 2});
  const auto drawn = mermaid(w);
  CHECK(contains(drawn, "flowchart LR\n"));
  CHECK(count(drawn, "  style b") == static_cast<int>(w.roles.size()));
  CHECK(count(drawn, "  subgraph ") == 2);
  CHECK(contains(drawn, "-- \"summed gradient\" -->"));
}

// Mermaid's grammar as far as we use it (https://mermaid.js.org/syntax/flowchart.html); what it
// allows was parsed by Mermaid 10 once.
TEST_CASE("every line of a mermaid drawing is one that its grammar has") {
  const std::string id = "[A-Za-z][A-Za-z0-9_]*", quoted = "\"[^\"\n]+\"";
  const std::regex title("title: \"([^\"\\\\]|\\\\.)*\""),
      frame("  subgraph " + id + "\\[" + quoted + "\\]"), box("    " + id + "\\[" + quoted + "\\]"),
      end("  end"), said("  " + id + " -- " + quoted + " --> " + id),
      control("  " + id + " -\\.-> " + id),
      style("  style " + id + " fill:#[0-9a-f]{6},stroke:#[0-9a-f]{6},color:#[0-9a-f]{3}");
  auto named = pipeline(small_job(1), {.stages = 2});
  named.name = "a\"]; b --> [c] `d` \\";
  named.parts[0].layers = "<i>\"end\"</i> #35;";
  for (const auto& w : {named,
                        data_parallel(small_job(1), {.replicas = 4, .groups = 2}),
                        hybrid(small_job(1, 16), {.replicas = 8, .stages = 2}),
                        parameter_server(small_job(1), {.workers = 3, .servers = 2})}) {
    const auto price = price_of(w);
    std::istringstream lines(mermaid(w, &price));
    std::string line;
    std::vector<std::string> header(4);
    for (auto& l : header)
      std::getline(lines, l);
    CHECK(header[0] == "---");
    CHECK_MESSAGE(std::regex_match(header[1], title), header[1]);
    CHECK(header[2] == "---");
    CHECK(header[3] == "flowchart LR");
    int depth = 0;
    while (std::getline(lines, line)) {
      const bool opens = std::regex_match(line, frame), closes = std::regex_match(line, end);
      depth += int(opens) - int(closes);
      CHECK((depth == 0 || depth == 1));
      const bool known =
          opens || closes ||
          (depth == 1 ? std::regex_match(line, box)
                      : std::regex_match(line, said) || std::regex_match(line, control) ||
                            std::regex_match(line, style));
      CHECK_MESSAGE(known, line);
    }
    CHECK(depth == 0);
  }
}

TEST_CASE("graphviz draws a wiring as a picture") {
  if (!has_graphviz()) {
    MESSAGE("skipped: the package graphviz is not installed");
    return;
  }
  const auto w = pipeline(small_job(1), {.stages = 2});
  const auto drawn = svg(w);
  CHECK(contains(drawn, "<svg"));
  CHECK(contains(drawn, "layer_shard/0/1"));
  CHECK(contains(drawn, "</svg>"));
}

TEST_CASE("a program that is missing is told with its package, one that fails with its words") {
  CHECK_ERROR(detail::output_of({"no-such-program"}, "", "some-package"),
              "the program no-such-program is missing\n"
              "  it is not in the PATH\n"
              "  help: apt install some-package");
  CHECK(detail::output_of({"cat", "-"}, "a\nb", "coreutils") == "a\nb");
  CHECK_ERROR(detail::output_of({"cat", "/no/such/file"}, "", "coreutils"),
              "the program cat failed\n  cat: /no/such/file");
}
