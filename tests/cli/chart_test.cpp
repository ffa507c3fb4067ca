#include "cli/chart.hpp"

#include "support/scratch_folder.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cstdlib>
#include <limits>
#include <string>
#include <vector>

using namespace troupe;
using namespace troupe::cli;

namespace {

bool is_xml(const std::string& text) {
  const test::scratch_folder folder;
  const auto path = folder.write("chart.svg", text);
  const auto command = fmt::format(
      "python3 -c 'import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])' {}", path);
  return std::system(command.c_str()) == 0; // NOLINT(concurrency-mt-unsafe): one thread
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t out = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
    ++out;
  return out;
}

chart curves() {
  return {.title = "a < b & \"c\"",
          .x = {.title = "nodes", .logarithmic = true, .binary = true},
          .y = {.title = "images/s", .logarithmic = true},
          .lines = {{.name = "one <holder>", .points = {{2, 100}, {4, 190}, {1024, 3e4}}},
                    {.name = "ideal", .points = {{2, 100}, {1024, 51'200}}, .dashed = true}},
          .marks = {{3, "layer_shard/1"}},
          .marks_name = "death"};
}

} // namespace

TEST_CASE("ticks are round numbers around what is drawn") {
  CHECK(linear_ticks(0, 1, 5) == std::vector<double>{0, 0.2, 0.4, 0.6000000000000001, 0.8, 1});
  CHECK(linear_ticks(0, 37, 5) == std::vector<double>{0, 10, 20, 30, 40});
  CHECK(linear_ticks(0, 0, 5).back() == 1);
  CHECK(linear_ticks(7, 7, 5).front() <= 7);
  CHECK(logarithmic_ticks(30, 2000, 10, 10) == std::vector<double>{10, 100, 1000, 10000});
  CHECK(logarithmic_ticks(2, 16, 2, 10) == std::vector<double>{2, 4, 8, 16});
  CHECK(logarithmic_ticks(5, 5, 10, 10).size() == 2);
  CHECK(logarithmic_ticks(1, 1e12, 10, 4).size() <= 6);
}

TEST_CASE("ticks are told as people say them") {
  CHECK(tick_text(0, "s") == "0");
  CHECK(tick_text(0.00025, "s") == "250 us");
  CHECK(tick_text(1.5, "s") == "1.5 s");
  CHECK(tick_text(50, "%") == "50 %");
  CHECK(tick_text(2'000'000, "B") == "2 MB");
  CHECK(tick_text(20'000, "") == "20k");
  CHECK(tick_text(1000, "") == "1k");
  CHECK(tick_text(1024, "") == "1024");
}

TEST_CASE("a chart is well-formed XML with all that it was given") {
  const auto text = svg({curves()});
  CHECK(is_xml(text));
  CHECK(count(text, "<polyline") == 2);
  CHECK(count(text, "a &lt; b &amp; &quot;c&quot;") == 1);
  CHECK(count(text, "one &lt;holder>") == 1);
  CHECK(count(text, ">1024<") == 1);
  CHECK(count(text, "class=\"mark\"") >= 2);
  const chart bars{.title = "traffic",
                   .x = {.title = "bytes", .unit = "B"},
                   .bars = {{"0 -> 1", 5e6}, {"1 -> 0", 2e6, 3e6}}};
  const auto two = svg({curves(), bars}, 2);
  CHECK(is_xml(two));
  CHECK(count(two, "<rect x=") == 2);
  CHECK(count(two, "2 MB to 3 MB") == 1);
}

TEST_CASE("a chart of nothing, of one value and of very many is a chart, too") {
  CHECK(is_xml(svg({})));
  CHECK(is_xml(svg({chart{.title = "empty"}})));
  CHECK(is_xml(svg({chart{.title = "one", .lines = {{.name = "x", .points = {{1, 0}}}}}})));
  chart many{.title = "many", .x = {.title = "updates"}};
  for (int i = 0; i < 100; ++i)
    many.bars.push_back({std::to_string(i), 0});
  const auto text = svg({many});
  CHECK(is_xml(text));
  CHECK(count(text, "and 60 more") == 1);
  CHECK(count(text, "nan") == 0);
  CHECK(count(text, "inf") == 0);
}
