// Two ends of a link, and what is between them: each byte is something that happens. An honest wire
// (the first byte is even) loses, doubles, reorders and breaks; on the other kind somebody writes
// frames of his own.
#include "fuzz/targets/target.hpp"
#include "net/reliable_link.hpp"

#include <deque>

namespace troupe::fuzz {

namespace {

using namespace troupe::net;

constexpr node_life lives[2] = {{0, 11}, {1, 22}};
constexpr int events_max = 2000; // of one input; and frames at a time: more is a loop

parcel parcel_of(std::uint64_t number, std::size_t size) {
  parcel out;
  out.body.resize(sizeof number + size);
  std::memcpy(out.body.data(), &number, sizeof number);
  return out;
}

std::uint64_t number_of(const parcel& p) {
  std::uint64_t out = 0;
  std::memcpy(&out, p.body.data(), sizeof out);
  return out;
}

struct end {
  reliable_link link;
  std::deque<frame> way; // to the other end
  std::uint64_t posted[lanes] = {}, came[lanes] = {};
  std::vector<parcel> untaken;
};

link_options small_windows() {
  link_options out;
  out.window_bytes = {64, 64};
  return out;
}

class world {
public:
  explicit world(bool honest) : honest_(honest) {}

  void event(bytes& in) {
    const std::uint8_t what = in.byte();
    const int side = what >> 7;
    const auto lane = static_cast<lane_kind>((what >> 6) & 1);
    end &here = ends_[side], &there = ends_[1 - side];
    switch (what & 15) {
    case 0:
    case 1:
      post(here, lane, in.byte() % 100);
      break;
    case 2:
      while (carry(here)) {
      }
      break;
    case 3:
      carry(here);
      break;
    case 4:
    case 5:
      deliver(here, there);
      break;
    case 6:
      while (!here.way.empty())
        deliver(here, there);
      break;
    case 7:
      if (!here.way.empty()) here.way.pop_front();
      break;
    case 8:
      if (!here.way.empty()) here.way.push_back(here.way.front());
      break;
    case 9:
      here.link.broken(lane);
      break;
    case 10:
      here.link.reconnected(lane, now_);
      break;
    case 11:
      now_ += std::chrono::milliseconds(in.number() % 100'000);
      break;
    case 12:
      here.untaken.clear();
      break;
    case 13:
      if (!here.untaken.empty()) here.untaken.pop_back();
      break;
    default:
      if (!honest_) forge(here, in);
    }
    check(here);
  }

  // Whatever happened: a wire that works again carries everything.
  void heal() {
    for (end& e : ends_)
      for (const lane_kind lane : {lane_kind::small, lane_kind::bulk})
        e.link.reconnected(lane, now_);
    for (int i = 0; i < events_max && !(drained() && i > 2); ++i) {
      for (int side = 0; side < 2; ++side) {
        ends_[side].untaken.clear();
        while (carry(ends_[side])) {
        }
        while (!ends_[side].way.empty())
          deliver(ends_[side], ends_[1 - side]);
      }
      now_ += std::chrono::milliseconds(50);
    }
    require(drained(), "a wire that works carries everything");
    for (int side = 0; side < 2; ++side)
      for (int lane = 0; lane < lanes; ++lane)
        require(ends_[side].posted[lane] == ends_[1 - side].came[lane],
                "what was posted came, each once");
  }

private:
  static void post(end& here, lane_kind lane, std::size_t size) {
    here.link.post(lane, parcel_of(++here.posted[static_cast<int>(lane)], size));
  }

  bool carry(end& here) {
    auto f = here.link.next(now_);
    if (!f) return false;
    require(here.way.size() < 100'000, "frames at one time have an end");
    here.way.push_back(std::move(*f));
    return true;
  }

  void deliver(end& from, end& to) {
    if (from.way.empty()) return;
    frame f = std::move(from.way.front());
    from.way.pop_front();
    const int lane = static_cast<int>(f.lane);
    for (parcel& came : to.link.accept(std::move(f), now_)) {
      require(!honest_ || number_of(came) == ++to.came[lane], "parcels come once and in order");
      to.untaken.push_back(std::move(came));
    }
  }

  void forge(end& here, bytes& in) {
    frame f;
    const int side = static_cast<int>(&here - ends_);
    f.kind = in.byte() % 2 == 0 ? frame_kind::parcel : frame_kind::state;
    f.from = lives[side];
    f.to = lives[1 - side];
    f.lane = static_cast<lane_kind>(in.byte() % lanes);
    f.number = in.number();
    for (int i = 0; i < lanes; ++i) {
      f.received[i] = in.number();
      f.taken[i] = in.number();
    }
    f.sent_ns = in.number();
    f.echo_ns = in.number();
    f.content = parcel_of(0, in.byte());
    f.more.resize(in.byte() % 4, f.content.body);
    if (f.kind == frame_kind::state) {
      f.content = {};
      f.more = {};
    }
    here.way.push_front(std::move(f));
  }

  static void check(const end& e) {
    const link_counts c = e.link.counts();
    require(c.waiting_bytes + c.unacknowledged_bytes == e.link.kept_bytes(),
            "what is kept waits, or is on its way");
    require(c.untaken_bytes < (std::size_t{1} << 40), "no more is taken than came");
    require(e.link.is_drained() == (e.link.kept_parcels() == 0), "drained is empty");
  }

  [[nodiscard]] bool drained() const {
    return ends_[0].link.is_drained() && ends_[1].link.is_drained();
  }

  bool honest_;
  time_point now_{std::chrono::seconds(1)};
  end ends_[2] = {{.link = reliable_link(lives[0], lives[1], small_windows(), now_)},
                  {.link = reliable_link(lives[1], lives[0], small_windows(), now_)}};
};

} // namespace

std::vector<std::string> seeds() {
  return {std::string({'\0', '\0', '\5', '\2', '\6', '\202', '\206'}),
          std::string({'\0', '\0', '\5', '\0', '\5', '\2', '\7', '\6', '\202', '\206'}),
          std::string({'\1', '\0', '\5', '\16', '\0', '\0', '\1', '\1', '\1', '\0', '\0', '\6'})};
}

} // namespace troupe::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace troupe::fuzz;
  bytes in(data, size);
  const bool honest = (in.byte() & 1) == 0;
  world w(honest);
  for (int i = 0; i < events_max && !in.empty(); ++i)
    w.event(in);
  if (honest) w.heal();
  return 0;
}
