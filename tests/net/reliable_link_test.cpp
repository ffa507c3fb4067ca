#include "net/reliable_link.hpp"

#include "ops/random.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>

namespace {

using namespace troupe::net;
using namespace std::chrono_literals;

constexpr node_life here{0, 11}, there{1, 22};

parcel said(const std::string& text) {
  parcel out;
  for (const char c : text)
    out.body.push_back(static_cast<std::byte>(c));
  return out;
}

std::string text(const parcel& p) {
  std::string out;
  for (const auto b : p.body)
    out += static_cast<char>(b);
  return out;
}

// Two ends, and what is on its way between them.
struct wire {
  time_point now{1ms};
  reliable_link a, b;
  std::vector<std::string> at_a, at_b;

  explicit wire(link_options options = {})
      : a(here, there, options, time_point{1ms}), b(there, here, options, time_point{1ms}) {}

  template <class Lost>
  void exchange(Lost lost) {
    move(a, b, at_b, lost);
    move(b, a, at_a, lost);
  }

  template <class Lost>
  void move(reliable_link& from, reliable_link& to, std::vector<std::string>& at, Lost lost) {
    while (auto f = from.next(now))
      if (!lost())
        for (const parcel& came : to.accept(std::move(*f), now))
          at.push_back(text(came));
  }
};

TEST_CASE("what is posted arrives once and in order, whatever a wire loses, doubles and delays") {
  for (unsigned seed = 0; seed < 200; ++seed) {
    CAPTURE(seed);
    troupe::random_stream draw({.seed = seed});
    const auto chance = [&](std::uint32_t percent) { return draw.below(100) < percent; };
    link_options options;
    options.window_bytes[0] = 1 + draw.below(64);
    options.window_bytes[1] = 1 + draw.below(64);
    time_point now{1ms};
    reliable_link a(here, there, options, now), b(there, here, options, now);
    std::multimap<time_point, frame> to_a, to_b;
    std::map<lane_kind, std::vector<int>> came;
    std::deque<parcel> untaken; // by a slow owner
    const auto loss = draw.below(40), doubling = draw.below(20);
    int posted = 0;
    const auto carry = [&](reliable_link& from, std::multimap<time_point, frame>& way) {
      while (auto f = from.next(now))
        for (int copy = chance(doubling) ? 2 : 1; copy > 0; --copy)
          if (!chance(loss)) way.emplace(now + std::chrono::microseconds(draw.below(20000)), *f);
    };
    const auto arrive = [&](reliable_link& at, std::multimap<time_point, frame>& way) {
      while (!way.empty() && way.begin()->first <= now) {
        frame f = std::move(way.extract(way.begin()).mapped());
        const auto lane = f.lane;
        for (parcel& p : at.accept(std::move(f), now)) {
          came[lane].push_back(std::stoi(text(p)));
          untaken.push_back(std::move(p));
        }
      }
    };
    while (posted < 60 || !a.is_drained()) {
      REQUIRE(now < 120s);
      if (posted < 60 && chance(30)) {
        const auto lane = chance(50) ? lane_kind::small : lane_kind::bulk;
        a.post(lane, said(std::to_string(posted++)));
      }
      for (const auto lane : {lane_kind::small, lane_kind::bulk})
        if (chance(2)) a.reconnected(lane, now);
      carry(a, to_b);
      carry(b, to_a);
      arrive(b, to_b);
      arrive(a, to_a);
      if (!untaken.empty() && chance(20)) untaken.pop_front();
      now += 1ms;
    }
    CHECK(came[lane_kind::small].size() + came[lane_kind::bulk].size() == 60);
    for (const auto& [lane, numbers] : came)
      CHECK(std::is_sorted(numbers.begin(), numbers.end()));
    CHECK(a.counts().parcels_sent == 60);
    CHECK(b.counts().parcels_received == 60);
    CHECK(a.counts().waiting_bytes == 0);
  }
}

TEST_CASE("no more than the window is on its way, and one parcel of any size") {
  link_options options;
  options.window_bytes[static_cast<int>(lane_kind::bulk)] = 10;
  wire w(options);
  for (int i = 0; i < 5; ++i)
    w.a.post(lane_kind::bulk, said("123456"));
  while (w.a.next(w.now)) {
  }
  CHECK(w.a.counts().parcels_sent == 2); // 6 < 10, 12 >= 10
  CHECK(w.a.counts().unacknowledged_bytes == 12);
  CHECK(w.a.counts().waiting_bytes == 18);
  CHECK(w.a.counts().credit_bytes == options.window_bytes[static_cast<int>(lane_kind::small)]);

  wire large(options);
  large.a.post(lane_kind::bulk, said("more than the window"));
  CHECK(large.a.next(large.now).has_value());
}

TEST_CASE("a small parcel passes large ones that wait") {
  link_options options;
  options.window_bytes[static_cast<int>(lane_kind::bulk)] = 1;
  wire w(options);
  w.a.post(lane_kind::bulk, said("large 1"));
  w.a.post(lane_kind::bulk, said("large 2"));
  w.a.post(lane_kind::small, said("small"));
  CHECK(w.a.next(w.now)->lane == lane_kind::small);
  CHECK(w.a.next(w.now)->lane == lane_kind::bulk);
  CHECK_FALSE(w.a.next(w.now)); // the window
}

// With what each frame carries; all at once.
std::vector<std::size_t> frames_of(reliable_link& link, time_point now) {
  std::vector<std::size_t> out;
  while (const auto f = link.next(now))
    if (f->kind == frame_kind::parcel) out.push_back(1 + f->more.size());
  return out;
}

TEST_CASE("small parcels that wait go in one frame, as many as do not hold up those behind") {
  wire w;
  for (int i = 0; i < 130; ++i)
    w.a.post(lane_kind::small, said("12"));
  CHECK(frames_of(w.a, w.now) == std::vector<std::size_t>{64, 64, 2});
  CHECK(w.a.counts().parcels_sent == 130);

  wire large;
  for (int i = 0; i < 3; ++i)
    large.a.post(lane_kind::small, said(std::string(4096, 'x')));
  CHECK(frames_of(large.a, large.now) == std::vector<std::size_t>{2, 1});
}

TEST_CASE("a parcel with payloads goes alone, and those around it keep their order") {
  wire w;
  parcel heavy = said("heavy");
  heavy.payloads.resize(1);
  for (const auto& p : {said("1"), said("2"), heavy, said("3"), said("4")})
    w.a.post(lane_kind::small, p);
  wire same = w;
  CHECK(frames_of(w.a, w.now) == std::vector<std::size_t>{2, 1, 2});
  same.exchange([] { return false; });
  CHECK(same.at_b == std::vector<std::string>{"1", "2", "heavy", "3", "4"});
}

TEST_CASE("of a frame that is partly known, the rest is delivered") {
  wire w;
  w.a.post(lane_kind::small, said("1"));
  (void)w.b.accept(*w.a.next(w.now), w.now);
  w.a.post(lane_kind::small, said("2"));
  w.a.post(lane_kind::small, said("3"));
  w.a.reconnected(lane_kind::small, w.now); // all three again, in one
  const frame again = *w.a.next(w.now);
  CHECK(again.more.size() == 2);
  const auto came = w.b.accept(again, w.now);
  REQUIRE(came.size() == 2);
  CHECK(text(came[0]) == "2");
  CHECK(text(came[1]) == "3");
  CHECK(w.b.accept(again, w.now).empty());
  CHECK(w.b.counts().duplicates == 1 + 3);
  CHECK(w.b.counts().parcels_received == 3);
  CHECK(w.b.counts().bytes_received == 3);
}

TEST_CASE("a gap is asked for at once, not after a time-out") {
  wire w;
  w.a.post(lane_kind::small, said("1"));
  (void)w.a.next(w.now); // is lost
  w.a.post(lane_kind::small, said("2"));
  w.exchange([] { return false; });
  CHECK(w.at_b.empty());
  w.exchange([] { return false; });
  CHECK(w.at_b == std::vector<std::string>{"1", "2"});
  CHECK(w.a.counts().resent == 2);
}

TEST_CASE("the last parcel is sent again when nobody acknowledges it") {
  wire w;
  w.a.post(lane_kind::small, said("1"));
  w.exchange([] { return true; });
  CHECK(w.a.wake_at() == w.now + link_options{}.resend_after);
  w.now = w.a.wake_at();
  w.exchange([] { return false; });
  CHECK(w.at_b == std::vector<std::string>{"1"});
}

TEST_CASE("frames of another life are not heard") {
  wire w;
  w.a.post(lane_kind::small, said("1"));
  frame f = *w.a.next(w.now);
  f.from.life = 33;
  CHECK(w.b.accept(f, w.now).empty());
  f.from = here;
  f.to.life = 33;
  CHECK(w.b.accept(f, w.now).empty());
  f.to = there;
  CHECK(w.b.accept(f, w.now).size() == 1);
}

TEST_CASE("an acknowledgement of what was never sent is no acknowledgement") {
  wire w;
  w.a.post(lane_kind::small, said("1"));
  (void)w.a.next(w.now);
  frame lie;
  lie.from = there;
  lie.to = here;
  lie.received[0] = 1000;
  (void)w.a.accept(lie, w.now);
  CHECK_FALSE(w.a.is_drained());
}

TEST_CASE("a quiet link beats, and one that hears nothing is silent") {
  wire w;
  const link_options defaults;
  CHECK_FALSE(w.a.next(w.now));
  w.now += defaults.heartbeat;
  REQUIRE(w.a.next(w.now));
  CHECK_FALSE(w.a.next(w.now));
  CHECK_FALSE(w.b.is_silent(w.now));
  w.now += defaults.silent_after;
  CHECK(w.b.is_silent(w.now));
}

TEST_CASE("the round trip is measured by what is echoed") {
  wire w;
  w.a.post(lane_kind::small, said("1"));
  frame f = *w.a.next(w.now);
  w.now += 3ms;
  (void)w.b.accept(f, w.now);
  w.now += 5ms; // acknowledged late: does not count
  frame back = *w.b.next(w.now);
  w.now += 2ms;
  (void)w.a.accept(back, w.now);
  CHECK(w.a.counts().round_trip == 5ms);
}

TEST_CASE("a lane without a connection waits, and the other one goes on") {
  wire w;
  w.a.broken(lane_kind::bulk);
  w.a.post(lane_kind::bulk, said("large"));
  w.a.post(lane_kind::small, said("small"));
  w.exchange([] { return false; });
  CHECK(w.at_b == std::vector<std::string>{"small"});
  w.a.broken(lane_kind::small);
  w.now += 10s;
  CHECK_FALSE(w.a.next(w.now)); // no heartbeat either
  CHECK(w.a.wake_at() == time_point::max());
  w.a.reconnected(lane_kind::bulk, w.now);
  w.exchange([] { return false; });
  CHECK(w.at_b == std::vector<std::string>{"small", "large"});
}

TEST_CASE("a quarter of the window is acknowledged at once") {
  link_options options;
  options.window_bytes[static_cast<int>(lane_kind::small)] = 16;
  wire w(options);
  w.a.post(lane_kind::small, said("1234"));
  CHECK(w.b.accept(*w.a.next(w.now), w.now).size() == 1);
  CHECK_FALSE(w.b.next(w.now));
  w.a.post(lane_kind::small, said("5"));
  (void)w.b.accept(*w.a.next(w.now), w.now);
  CHECK(w.b.wake_at() == time_point{0});
  CHECK(w.b.next(w.now)->received[0] == 2);
}

TEST_CASE("what an owner has not taken bounds what is sent to it, however it was acknowledged") {
  link_options options;
  options.window_bytes[static_cast<int>(lane_kind::bulk)] = 20;
  wire w(options);
  for (int i = 0; i < 10; ++i)
    w.a.post(lane_kind::bulk, said("12345"));
  std::deque<parcel> untaken;
  const auto exchange = [&] {
    for (int times = 0; times < 3; ++times) {
      while (auto f = w.a.next(w.now))
        for (parcel& came : w.b.accept(std::move(*f), w.now))
          untaken.push_back(std::move(came));
      w.now += 10ms; // acknowledged by then
      while (auto f = w.b.next(w.now))
        (void)w.a.accept(std::move(*f), w.now);
    }
  };
  exchange();
  CHECK(untaken.size() == 4);
  CHECK(w.a.counts().unacknowledged_bytes == 0);
  CHECK(w.b.counts().untaken_bytes == 20);
  untaken.pop_front();
  exchange(); // a quarter is not worth telling at once, and may go with anything
  untaken.pop_back();
  exchange();
  CHECK(untaken.size() == 4);
  while (!untaken.empty()) {
    untaken.pop_back(); // in any order
    exchange();
    exchange();
  }
  CHECK(w.a.is_drained());
  CHECK(w.b.counts().parcels_received == 10);
  CHECK(w.b.counts().untaken_bytes == 0);
}

TEST_CASE("who takes much says so, and the other end is told at once") {
  link_options options;
  options.window_bytes[static_cast<int>(lane_kind::small)] = 16;
  int told = 0;
  options.on_taken = [&] { ++told; };
  std::optional<parcel> came;
  {
    wire w(options);
    w.a.post(lane_kind::small, said("12345"));
    came = w.b.accept(*w.a.next(w.now), w.now).front();
    w.now += 10ms;
    CHECK(w.b.next(w.now)->taken[0] == 0);
    CHECK(w.b.wake_at() > w.now);
    const parcel copy = *came;
    came.reset();
    CHECK(told == 0); // the copy waits
    came = copy;
  }
  came.reset(); // the link is gone already
  CHECK(told == 1);
}

TEST_CASE("who claims to have taken what never came gets no credit for it") {
  link_options options;
  options.window_bytes[0] = 4;
  wire w(options);
  w.a.post(lane_kind::small, said("1234"));
  w.a.post(lane_kind::small, said("5678"));
  (void)w.a.next(w.now);
  frame lie;
  lie.from = there;
  lie.to = here;
  lie.taken[0] = 4;
  (void)w.a.accept(lie, w.now);
  CHECK_FALSE(w.a.next(w.now));
}

TEST_CASE("a lane is stuck when what is on its way takes longer than on the slowest network") {
  link_options options;
  options.resend_after = 24h;
  options.slowest_bytes_per_second = 1000;
  wire w(options);
  CHECK_FALSE(w.a.is_stuck(lane_kind::bulk, w.now + 1h)); // nothing is on its way
  w.a.post(lane_kind::bulk, said(std::string(2000, 'x')));
  (void)w.a.next(w.now);
  CHECK_FALSE(w.a.is_stuck(lane_kind::bulk, w.now + 2999ms));
  CHECK(w.a.is_stuck(lane_kind::bulk, w.now + 3001ms));
  w.a.broken(lane_kind::bulk);
  CHECK_FALSE(w.a.is_stuck(lane_kind::bulk, w.now + 1h));
}

} // namespace
