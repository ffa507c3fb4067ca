#include "actors/supervision/progress_watch.hpp"

#include <doctest/doctest.h>

using namespace troupe;

namespace {

// Until it is taken for stuck.
int ticks_until_stuck(progress_watch& w, std::uint64_t progress) {
  for (int t = 1; t < 10'000; ++t)
    if (w.is_stuck({true, progress})) {
      w.begin();
      return t;
    }
  return 0;
}

// It gets further in each of so many ticks.
void work(progress_watch& w, int ticks, std::uint64_t& progress) {
  for (int t = 0; t < ticks; ++t)
    w.is_stuck({true, ++progress});
}

} // namespace

TEST_CASE("who has begun something and gets no further is stuck; who waits, or works, is not") {
  progress_watch w(8);
  std::uint64_t progress = 0;
  work(w, 100, progress);
  for (int t = 0; t < 100; ++t)
    CHECK_FALSE(w.is_stuck({false, progress}));
  CHECK(ticks_until_stuck(w, progress) == 8);
}

TEST_CASE(
    "who is known to take long is given three times as long; what it took once is forgotten") {
  progress_watch w(8);
  std::uint64_t progress = 0;
  work(w, 100, progress);
  for (int step = 0; step < 3; ++step) { // it works, and gets no further for seven ticks
    for (int t = 0; t < 7; ++t)
      CHECK_FALSE(w.is_stuck({true, progress}));
    work(w, 1, progress);
  }
  progress_watch slow = w;
  CHECK(ticks_until_stuck(slow, progress) == 21);
  work(w, 100, progress);
  CHECK(ticks_until_stuck(w, progress) == 8);
}

TEST_CASE("who was taken for stuck is given twice as long the next time: none is for ever") {
  progress_watch w(8);
  std::uint64_t progress = 0;
  work(w, 100, progress);
  CHECK(ticks_until_stuck(w, progress) == 8);
  CHECK(ticks_until_stuck(w, progress) == 16);
  CHECK(ticks_until_stuck(w, progress) == 32);
}

TEST_CASE("at first an actor may take ten times as long") {
  progress_watch w(8);
  CHECK(ticks_until_stuck(w, 0) == 80);
}
