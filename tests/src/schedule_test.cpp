// Schedules as values: what the makers promise, the text, and every mistake of a list by hand.
#include "support/error_of.hpp"
#include "support/scratch_folder.hpp"
#include <troupe.hpp>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <fstream>

using namespace troupe;

namespace {

// Calls `use` with what every maker gives for stages 1..6, microbatches 1..12 and 1..3 parts each.
template <class Use>
void for_each_schedule(Use use) {
  for (int stages = 1; stages <= 6; ++stages)
    for (std::uint32_t m = 1; m <= 12; ++m)
      for (const auto& name : schedule_names())
        for (int chunks = 1; chunks <= (name == "interleaved" ? 3 : 1); ++chunks) {
          const auto s = named_schedule(name, stages, stages * chunks, m);
          INFO(text(s));
          use(s);
        }
}

schedule parsed(const std::string& lists, int stages = 2, int parts = 2, int microbatches = 2) {
  return parse_schedule(fmt::format(
      "schedule own stages {} parts {} microbatches {}\n{}", stages, parts, microbatches, lists));
}

// All mistakes of a schedule, as a user reads them.
std::string mistakes_text(const schedule& s) {
  const auto mistakes = mistakes_of(s);
  return mistakes.empty() ? "" : joined(mistakes).what();
}

#define CHECK_MISTAKE(lists, part)                                                                 \
  do {                                                                                             \
    const auto told_ = mistakes_text(parsed(lists));                                               \
    INFO(told_, "\nwanted: ", std::string(part));                                                  \
    CHECK(test::contains(told_, part));                                                            \
  } while (false)

} // namespace

TEST_CASE("a schedule of every maker can run, with a credit too") {
  for_each_schedule([](const schedule& s) {
    CHECK(mistakes_text(s) == "");
    const auto credits = credits_of(s);
    CHECK(std::cmp_equal(credits.size(), s.parts - 1));
    for (const int credit : credits) {
      CHECK(credit >= 1);
      CHECK(std::cmp_less_equal(credit, s.microbatches));
    }
    if (!credits.empty())
      CHECK(mistakes_of(s, *std::max_element(credits.begin(), credits.end())).empty());
  });
}

TEST_CASE("a schedule is what its text says") {
  for_each_schedule([](const schedule& s) { CHECK(parse_schedule(text(s)) == s); });
  CHECK(text(one_f_one_b(2, 3)) == "schedule 1f1b stages 2 parts 2 microbatches 3\n"
                                   "0: F0 F1 B0 F2 B1 B2\n"
                                   "1: F0 B0 F1 B1 F2 B2\n");
  CHECK(text(gpipe(2, 2)) == "schedule gpipe stages 2 parts 2 microbatches 2\n"
                             "0: F0 F1 B0 B1\n"
                             "1: F0 F1 B0 B1\n");
  CHECK(text(interleaved(2, 4, 2)) == "schedule interleaved stages 2 parts 4 microbatches 2\n"
                                      "0: F0@0 F1@0 F0@2 F1@2 B0@2 B1@2 B0@0 B1@0\n"
                                      "1: F0@1 F1@1 F0@3 B0@3 F1@3 B1@3 B0@1 B1@1\n");
  CHECK(text(zero_bubble(2, 3)) == "schedule zero-bubble stages 2 parts 2 microbatches 3\n"
                                   "0: F0 F1 I0 W0 F2 I1 W1 I2 W2\n"
                                   "1: F0 I0 F1 I1 W0 F2 I2 W1 W2\n");
}

TEST_CASE("a schedule by hand may have comments, blank lines and stages in any order") {
  const auto s =
      parse_schedule("# by hand\n\nschedule 1f1b stages 2\tparts 2 microbatches 1 # one\r\n"
                     "1: F0 B0@1 # the last stage\n\n  0:   F0 B0");
  CHECK(s == one_f_one_b(2, 1));
}

TEST_CASE("a schedule is read from a file, whose name is in the mistakes") {
  const test::scratch_folder scratch;
  const auto path = scratch.file("own.schedule");
  std::ofstream(path) << text(gpipe(3, 4));
  CHECK(load_schedule(path) == gpipe(3, 4));
  std::ofstream(path) << "schedule own stages 1 parts 1 microbatches 1\n0: F0 X0\n";
  CHECK_ERROR(load_schedule(path), path + ", line 2, column 7");
  CHECK_ERROR(load_schedule(scratch.file("none.schedule")), "none.schedule");
}

TEST_CASE("a malformed schedule is refused with its line and column") {
  const std::string first = "schedule own stages 2 parts 4 microbatches 2\n";
  CHECK_ERROR(parse_schedule(""), "there is no schedule in it\n  --> line 1, column 1");
  CHECK_ERROR(parse_schedule("# nothing\n"), "there is no schedule in it\n  --> line 2, column 1");
  CHECK_ERROR(parse_schedule("schedul own"),
              "'schedul' instead of 'schedule'\n  --> line 1, column 1");
  CHECK_ERROR(parse_schedule("schedule own stages 2"), "cut off\n  --> line 1, column 22");
  CHECK_ERROR(parse_schedule("schedule own stages two parts"),
              "'two' is not a number of at most 9 digits\n  --> line 1, column 21");
  CHECK_ERROR(parse_schedule("\nschedule own stages 1 parts 1 microbatches 1 0: F0"),
              "'0:' after the sizes\n  --> line 2, column 46");
  CHECK_ERROR(parse_schedule("schedule own stages 2 parts 1 microbatches 1"),
              "1 parts do not fill 2 stages\n  --> line 1, column 14");
  CHECK_ERROR(parse_schedule("schedule own stages 1 parts 999999999 microbatches 999999999"),
              "the schedule is too long\n  --> line 1, column 14");
  CHECK_ERROR(parse_schedule(first + "0 F0@0"), "'0' is not the number of a stage and ':'");
  CHECK_ERROR(parse_schedule(first + ": F0@0"),
              "a number is missing in ':'\n  --> line 2, column 1");
  CHECK_ERROR(parse_schedule(first + "2: F0@0"), "there is no stage 2\n  --> line 2, column 1");
  CHECK_ERROR(parse_schedule(first + "0: F0@0\n 0: F1@0"),
              "stage 0 has a second line\n  --> line 3, column 2");
  CHECK_ERROR(parse_schedule(first + "0: F0@0\n"), "stage 1 has no line\n  --> line 3, column 1");
  CHECK_ERROR(parse_schedule(first + "0: F0@0 f1@0"),
              "'f1@0' is not an operation\n  --> line 2, column 9");
  CHECK_ERROR(parse_schedule(first + "0: F0"), "F0 does not say its part\n  --> line 2, column 4");
  CHECK_ERROR(parse_schedule(first + "0: F@0"),
              "a number is missing in 'F@0'\n  --> line 2, column 5");
  CHECK_ERROR(parse_schedule(first + "0: F-1@0"), "'-1' is not a number of at most 9 digits");
  CHECK_ERROR(parse_schedule(first + "0: F1@"),
              "a number is missing in 'F1@'\n  --> line 2, column 7");
  CHECK_ERROR(parse_schedule(first + "0: F1@0@1"), "'0@1' is not a number");
  CHECK_ERROR(parse_schedule(first + "0: F12345678901@0"), "--> line 2, column 5");
  CHECK_ERROR(parse_schedule(first + "0: \x01\xff"), "?' is not an operation");
}

TEST_CASE("sizes and names that make no schedule are refused with help") {
  CHECK_ERROR(gpipe(0, 4), "a pipeline cannot have 0 stages");
  CHECK_ERROR(one_f_one_b(1'000'000, 4), "a pipeline cannot have 1000000 stages");
  CHECK_ERROR(zero_bubble(4, 0), "a schedule of 0 microbatches does nothing");
  CHECK_ERROR(zero_bubble(4, 0xffffffff), "the schedule is too long");
  CHECK_ERROR(interleaved(4, 6, 4), "6 = 4 x 1 + 2");
  CHECK_ERROR(interleaved(4, 6, 4), "use 8 parts");
  CHECK_ERROR(interleaved(4, 2, 4), "2 parts do not fill 4 stages");
  CHECK_ERROR(named_schedule("1f1", 2, 2, 2), "did you mean '1f1b'?");
  CHECK_ERROR(named_schedule("zerobubble", 2, 2, 2), "did you mean 'zero-bubble'?");
  CHECK_ERROR(named_schedule("dualpipe-v", 2, 2, 2), "schedules: gpipe, 1f1b, interleaved");
  CHECK_ERROR(named_schedule("gpipe", 2, 4, 2), "schedule gpipe has one part per stage");
}

TEST_CASE("every kind of mistake in the lists is told") {
  const std::string right = "\n1: F0 B0 F1 B1";
  CHECK_MISTAKE("0: F0 F1 B0 B1 F0@2" + right,
                "F0@2: there is no part 2\n  --> stage 0, operation 5");
  CHECK_MISTAKE("0: F0 F1 B0 B1 F2" + right,
                "F2: there is no microbatch 2\n  --> stage 0, operation 5");
  CHECK_MISTAKE("0: F0 F1 B0 B1 F0@1" + right,
                "F0@1 is on the wrong stage\n  --> stage 0, operation 5");
  CHECK_MISTAKE("0: F0 F1 B0 F1 B1" + right, "F1 is there twice\n  --> stage 0, operation 4");
  CHECK_MISTAKE("0: F0 B0 B1" + right, "microbatch 1 of part 0 has no forward\n  --> stage 0");
  CHECK_MISTAKE("0: F0 F1 B1" + right, "help: add B0, or I0 and W0");
  CHECK_MISTAKE("0: F0 F1 B0 B1 W1" + right, "microbatch 1 of part 0 has more than one backward");
  CHECK_MISTAKE("0: F0 F1 B0 I1" + right, "help: add W1 after I1");
  CHECK_MISTAKE("0: F0 F1 B0 W1" + right, "help: add I1 before W1");
  CHECK_MISTAKE("0: F0 B1 F1 B0" + right, "B1 comes before F1\n  --> stage 0");
  CHECK_MISTAKE("0: F0 F1 B0 W1 I1" + right, "W1 comes before I1\n  --> stage 0");
  CHECK_MISTAKE("0: F0 I1 F1 B0 W1" + right, "I1 comes before F1\n  --> stage 0");
  CHECK(mistakes_text(parsed("0: F0 F1 B0 I1 W1" + right)) == "");

  auto s = gpipe(2, 2);
  s.per_stage.pop_back();
  CHECK(test::contains(mistakes_text(s), "1 lists for 2 stages"));
  s = gpipe(2, 2);
  s.name = "two words";
  CHECK(test::contains(mistakes_text(s), "the name of the schedule is not one word"));
  s = gpipe(2, 2);
  s.parts = 0;
  CHECK(test::contains(mistakes_text(s), "0 parts do not fill 2 stages"));
  CHECK(mistakes_of(parsed("0:\n1:", 2, 2, 1000)).size() == 20);
}

TEST_CASE("a deadlock is told as the cycle of who waits for whom, with a move that ends it") {
  const auto told = mistakes_text(parsed("0: F0 B0 F1 B1\n1: F0 F1 B0 B1"));
  CHECK(told == "schedule own deadlocks\n"
                "  --> stages 0, 1\n"
                "  stage 0 waits with B0 (operation 2) for B0 (operation 3) of stage 1\n"
                "  stage 1 waits with F1 (operation 2) for F1 (operation 3) of stage 0\n"
                "  help: on stage 1 put B0 before F1");
  CHECK(mistakes_text(parsed("0: F0 B0 F1 B1\n1: F0 B0 F1 B1")) == "");

  const auto alone = mistakes_text(parsed("0: F0@1 F0@0 B0@1 B0@0", 1, 2, 1));
  CHECK(test::contains(
      alone,
      "--> stage 0\n  stage 0 waits with F0@1 (operation 1) for F0@0 (operation 2) of stage 0"));
  CHECK(test::contains(alone, "help: on stage 0 put F0@0 before F0@1"));

  // Stage 0 waits for the cycle of the others without being in it.
  const auto behind = mistakes_text(parsed("0: F0 F1 B0 B1\n1: F0 B0 F1 B1\n2: F0 F1 B0 B1", 3, 3));
  CHECK(test::contains(behind, "--> stages 1, 2\n"));
}

TEST_CASE("a deadlock under a credit is told with the credit that is enough") {
  const auto s = parsed("0: F0 F1 B0 B1\n1: F1 F0 B0 B1");
  CHECK(mistakes_of(s).empty());
  CHECK(mistakes_of(s, 2).empty());
  CHECK(credits_of(s) == std::vector{2});
  const auto told = mistakes_of(s, 1);
  REQUIRE(told.size() == 1);
  CHECK(
      std::string(error(told[0]).what()) ==
      "schedule own deadlocks with a credit of 1\n"
      "  --> stages 0, 1\n"
      "  stage 0 waits with F1 (operation 2) until F1 (operation 1) of stage 1 makes room for its "
      "result\n"
      "  stage 1 waits with F1 (operation 1) for F1 (operation 2) of stage 0\n"
      "  help: a credit of 2 is enough");
  CHECK(mistakes_of(s, 0).at(0).what == "a credit of 0 lets nothing through");
}

TEST_CASE("activations kept at once are those of the papers") {
  for_each_schedule([](const schedule& s) {
    const auto stages = s.stages, m = static_cast<int>(s.microbatches);
    const auto peaks = peak_activations(s);
    REQUIRE(std::cmp_equal(peaks.size(), stages));
    for (int stage = 0; stage < stages; ++stage) {
      CAPTURE(stage);
      const int peak = peaks[static_cast<std::size_t>(stage)];
      const int chunks = s.parts / stages, behind = stages - 1 - stage;
      if (s.name == "gpipe") CHECK(peak == m);
      if (s.name == "1f1b") CHECK(peak == std::min(m, stages - stage));
      if (s.name == "zero-bubble") CHECK(peak == std::min(m, stages));
      if (s.name == "interleaved" && chunks > 1)
        CHECK(peak <= std::min(m * chunks, 2 * behind + (chunks - 1) * stages + 1));
    }
    const auto of_parts = peak_activations_of_parts(s);
    REQUIRE(std::cmp_equal(of_parts.size(), s.parts));
    if (s.parts == stages) CHECK(of_parts == peaks);
    for (const int peak : of_parts)
      CHECK((peak >= 1 && peak <= m));
  });
  CHECK(peak_activations(interleaved(4, 8, 8)) == std::vector{11, 9, 7, 5});
}
