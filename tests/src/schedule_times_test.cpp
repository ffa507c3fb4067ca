// What schedules cost in time, their pictures, and that no text can break any of it.
#include "support/error_of.hpp"
#include "support/fuzz.hpp"
#include <troupe.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

using namespace troupe;
using doctest::Approx;

namespace {

double bubble(const schedule& s) {
  return bubble_fraction(s, uniform_times(s.parts));
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t out = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
    ++out;
  return out;
}

// The longest line of a text.
std::size_t width(const std::string& text) {
  std::size_t out = 0, first = 0;
  for (auto end = text.find('\n'); end != std::string::npos; end = text.find('\n', first)) {
    out = std::max(out, end - first);
    first = end + 1;
  }
  return out;
}

} // namespace

TEST_CASE("a schedule's bubble is that of the papers' formulas") {
  for (int stages = 1; stages <= 6; ++stages)
    for (std::uint32_t m = 1; m <= 12; ++m) {
      CAPTURE(stages);
      CAPTURE(m);
      const double s = stages, n = m;
      CHECK(bubble(gpipe(stages, m)) == Approx((s - 1) / (n + s - 1)));
      CHECK(bubble(one_f_one_b(stages, m)) == Approx((s - 1) / (n + s - 1)));
      const double zero = bubble(zero_bubble(stages, m));
      if (n >= s) CHECK(zero == Approx((s - 1) / (3 * n + s - 1)));
      if (stages > 1) CHECK(zero < bubble(one_f_one_b(stages, m)) - 1e-9);
      for (int chunks = 1; chunks <= 3; ++chunks) {
        const double v = chunks, found = bubble(interleaved(stages, stages * chunks, m));
        if (m % static_cast<unsigned>(stages) == 0)
          CHECK(found == Approx((s - 1) / v / (n + (s - 1) / v)));
      }
    }
}

TEST_CASE("a schedule's operations start when their inputs are there") {
  const schedule_times times{
      .forward = {1, 2}, .backward_input = {3, 4}, .backward_weights = {5, 6}, .transfer = 10};
  const auto run = simulate(one_f_one_b(2, 1), times);
  CHECK(run.per_stage[0][0].end == 1);
  CHECK(run.per_stage[1][0].start == 11);
  CHECK(run.per_stage[1][1].end == 23); // a whole backward gives its gradient at its end
  CHECK(run.per_stage[0][1].start == 33);
  CHECK(run.makespan == 41);
  CHECK(run.bubble_fraction == Approx(1 - 21.0 / 82));
  const auto split = simulate(zero_bubble(2, 1), times);
  CHECK(split.per_stage[0][1].start == 27); // a gradient of inputs at once
  CHECK(simulate(gpipe(1, 1), uniform_times(1, 0)).bubble_fraction == 0);
}

TEST_CASE("times that are not those of the schedule's parts are refused") {
  const auto s = gpipe(2, 2);
  CHECK_ERROR(simulate(s, uniform_times(3)), "3 times for 2 parts");
  auto times = uniform_times(2);
  times.backward_weights[1] = -1;
  CHECK_ERROR(simulate(s, times), "-1 s is no time to compute");
  times.backward_weights[1] = std::nan("");
  CHECK_ERROR(simulate(s, times), "nan s is no time to compute");
  times = uniform_times(2);
  times.transfer = std::numeric_limits<double>::infinity();
  CHECK_ERROR(simulate(s, times), "inf s is no time to transfer");
  auto broken = s;
  broken.per_stage[0].pop_back();
  CHECK_ERROR(simulate(broken, uniform_times(2)), "has no backward");
}

TEST_CASE("a schedule is drawn as text") {
  CHECK(drawing(one_f_one_b(3, 4), uniform_times(3)) ==
        "1f1b: 3 stages, 4 microbatches; 18 s, bubble 33.3 %; on the right the activations kept\n"
        "0 |F0 F1 F2             B0--- F3 B1---    B2---    B3--- | 3\n"
        "1 |   F0 F1       B0--- F2 B1--- F3 B2---    B3---       | 2\n"
        "2 |      F0 B0--- F1 B1--- F2 B2--- F3 B3---             | 1\n"
        "F forward  B backward\n");
  const auto both = drawing(zero_bubble(2, 2), uniform_times(2));
  CHECK(test::contains(both, "I gradient of inputs  W gradient of weights"));
}

TEST_CASE("a drawing of a long schedule is cut, and says so") {
  const auto text = drawing(interleaved(4, 8, 32), uniform_times(8));
  INFO(text);
  CHECK(width(text) <= 115);
  CHECK(test::contains(text, "F0@0"));
  CHECK(test::contains(text, "> 11\n"));
  CHECK(test::contains(text, "cut after "));
  CHECK(!test::contains(drawing(gpipe(2, 4), uniform_times(2)), "cut after "));
  CHECK(test::contains(drawing(gpipe(2, 2), uniform_times(2, 0)), "0 s, bubble 0.0 %"));
}

TEST_CASE("a schedule is drawn as SVG") {
  const auto s = interleaved(2, 4, 4);
  const auto picture = svg(s, uniform_times(4));
  CHECK(picture.rfind("<svg xmlns=\"http://www.w3.org/2000/svg\"", 0) == 0);
  CHECK(count(picture, "<title>") == 2 * 16);
  CHECK(count(picture, "http") == 1);
  CHECK(test::contains(picture, "<title>F0@2: "));
  CHECK(test::contains(picture, "prefers-color-scheme"));
  auto sharp = s;
  sharp.name = "a<b&c";
  CHECK(test::contains(svg(sharp, uniform_times(4)), "a&lt;b&amp;c"));
}

TEST_CASE("a schedule's text, mutated, is a schedule or an error") {
  const std::string corpus[] = {
      text(one_f_one_b(3, 4)), text(interleaved(2, 4, 2)), text(zero_bubble(2, 12))};
  int read = 0, can_run = 0;
  for (std::uint64_t i = 0; i < 20'000; ++i) {
    CAPTURE(i);
    random_stream draw({1, random_purpose::test, i, 0});
    auto mutated = corpus[draw.below(3)];
    test::mutate(mutated, draw);
    try {
      const auto s = parse_schedule(mutated);
      ++read;
      CHECK(parse_schedule(text(s)) == s);
      if (!mistakes_of(s, 1).empty()) continue;
      ++can_run;
      CHECK(bubble(s) >= 0);
      CHECK(width(drawing(s, uniform_times(s.parts))) <= 115);
    } catch (const error&) {
      continue;
    }
  }
  CHECK(read > 1000);
  CHECK(can_run > 100);
}
