// A node's sessions among peers that say what they like, in any order: each byte is something that
// happens. The frames have good checksums; who they are of, and what they say, is drawn.
#include "net/sessions.hpp"

#include "fuzz/targets/target.hpp"

#include <map>

namespace troupe::fuzz {

namespace {

using namespace troupe::net;

constexpr int events_max = 500; // of one input
constexpr int loop_max = 10000; // orders at one time: more is a loop

const std::string key = std::string(40, 'k'), other_key = std::string(40, 'o');

session_options options_of(std::uint8_t flags) {
  session_options out;
  out.me = {(flags & 1) != 0 ? no_node : 0, 11};
  out.self.job = "job";
  if ((flags & 2) != 0) {
    out.trust.emplace();
    out.trust->allow({"k", key, {{1, 2}}});
  }
  if ((flags & 4) != 0) out.gives = {1, 3};
  out.connections_max = 16;
  return out;
}

class world {
public:
  explicit world(std::uint8_t flags) : s_(options_of(flags)) {
    connections_[0] = s_.fresh_connection();
    connections_[1] = s_.fresh_connection();
    s_.dial("somewhere", key);
  }

  void event(bytes& in) {
    const std::uint8_t what = in.byte();
    connection& c = connections_[(what >> 4) & 7];
    switch (what & 15) {
    case 0:
    case 1:
    case 2:
    case 3:
      if (c != 0) receive(c, frame_of(in), in.byte());
      break;
    case 4:
      if (c != 0) s_.received(c, key, in.take(in.byte()), {}, now_);
      break;
    case 5:
      s_.broken(c, "it broke", now_);
      c = s_.fresh_connection();
      break;
    case 6:
      now_ += std::chrono::milliseconds(in.number() % 100'000);
      s_.advance(now_);
      break;
    case 7:
      post(in);
      break;
    case 8:
      s_.process_ended(life_of(in), now_);
      break;
    case 9:
      s_.dial(std::string(1, static_cast<char>('a' + in.byte() % 4)), other_key);
      break;
    case 10:
      change_trust(in.byte());
      break;
    default:
      obey();
    }
    if ((what & 15) > 10) require(s_.wake_at() > time_point{0}, "who did all may sleep");
  }

  void end() {
    obey();
    s_.stop("the end", now_);
    obey();
    for (const auto& [life, is_up] : up_)
      require(!is_up, "each up has one down");
    require(s_.links().empty(), "who stopped has no links");
  }

private:
  static node_life life_of(bytes& in) {
    const std::uint8_t b = in.byte();
    return {b % 8 == 7 ? no_node : b % 8u, 20u + ((b >> 3) & 3)};
  }

  frame frame_of(bytes& in) {
    frame f;
    f.kind = static_cast<frame_kind>(in.byte() % 6);
    f.from = life_of(in);
    const std::uint8_t how = in.byte();
    f.to = (how & 3) == 0 ? node_life{no_node, 0} : (how & 3) == 1 ? life_of(in) : s_.me();
    f.lane = static_cast<lane_kind>((how >> 2) & 1);
    f.number = in.number();
    f.received[0] = in.number();
    f.taken[0] = in.number();
    f.content.body = body_of(f.kind, in, (how & 128) != 0);
    if (f.kind == frame_kind::parcel && f.number == 0) f.number = 1;
    return f;
  }

  static std::vector<std::byte> body_of(frame_kind kind, bytes& in, bool any) {
    if (any) return in.take(in.byte());
    introduction self;
    const std::uint8_t how = in.byte();
    self.job = (how & 1) == 0 ? "job" : "other";
    self.public_key = (how & 2) == 0 ? key : "";
    if ((how & 4) != 0) self.endpoints = {"b"};
    const std::uint64_t gave_up = (how >> 4) & 3, heard = (how >> 6) & 3;
    if (kind == frame_kind::hello) return encode(hello_body{self, gave_up, heard});
    if (kind == frame_kind::refusal) return encode(refusal_body{(how & 8) != 0, "no"});
    welcome_body welcome{.self = self, .number = in.byte(), .gave_up = gave_up};
    if ((how & 8) != 0) welcome.neighbours = {{in.byte(), {"c"}, key}};
    if (kind == frame_kind::welcome) return encode(welcome);
    return in.take(in.byte() % 16);
  }

  void receive(connection c, const frame& f, std::uint8_t whose) {
    s_.received(c,
                whose % 4 == 0   ? key
                : whose % 4 == 1 ? other_key
                                 : "",
                encode(f, true),
                {},
                now_);
  }

  void post(bytes& in) {
    const node_life to = life_of(in);
    parcel p;
    p.body.resize(in.byte());
    const bool taken = s_.post(to, static_cast<lane_kind>(in.byte() % lanes), std::move(p));
    obey(); // an up may not have been told yet
    require(!taken || known(to), "parcels are for who is up");
  }

  void change_trust(std::uint8_t how) {
    trust_list list;
    if (how % 2 == 0) list.allow({"k", key, {{1, how % 4u}}});
    s_.trust(list, now_);
  }

  // Does what the sessions say, and looks at it.
  void obey() {
    s_.advance(now_);
    for (int i = 0; i < loop_max; ++i) {
      bool more = false;
      if (const auto order = s_.next_dial(now_)) {
        connections_[2 + dials_++ % 6] = order->id;
        more = true;
      }
      if (const auto one = s_.next_sending(now_)) {
        require(one->to != 0, "what is sent has a connection");
        more = true;
      }
      more = s_.next_close().has_value() || more;
      if (const auto e = s_.next_event()) {
        look(*e);
        more = true;
      }
      if (!more) return;
    }
    require(false, "what there is to do has an end");
  }

  bool known(const node_life& who) const { return up_.contains({who.node, who.life}); }

  bool& is_up(const node_life& who) { return up_[{who.node, who.life}]; }

  void look(const session_event& e) {
    if (const auto* up = std::get_if<peer_up>(&e)) {
      require(!std::exchange(is_up(up->who.who), true), "who is up was not up");
    } else if (const auto* down = std::get_if<peer_down>(&e)) {
      require(std::exchange(is_up(down->who), false), "who is down was up");
    } else if (const auto* came = std::get_if<parcel_came>(&e)) {
      require(is_up(came->from), "parcels are of who is up");
    }
  }

  sessions s_;
  time_point now_{std::chrono::seconds(1)};
  connection connections_[8] = {};
  unsigned dials_ = 0;
  std::map<std::pair<std::uint32_t, std::uint64_t>, bool> up_;
};

} // namespace

std::vector<std::string> seeds() {
  // A hello to nobody, one to this life, a parcel; with time between.
  const std::string to_nobody({'\0', '\0', '\1', '\0', '\0', '\0', '\0', '\0', '\0'});
  const std::string to_me({'\0', '\0', '\1', '\2', '\0', '\0', '\0', '\0', '\0'});
  const std::string said(
      {'\0', '\3', '\1', '\2', '\1', '\0', '\0', '\4', 'a', 'b', 'c', 'd', '\0'});
  const std::string obeyed("\017", 1), later("\006\144", 2);
  return {std::string(1, '\0') + to_nobody + obeyed + to_me + obeyed + said + obeyed + later +
              obeyed,
          std::string(1, '\7') + to_me + obeyed + said + later + later + obeyed};
}

} // namespace troupe::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace troupe::fuzz;
  bytes in(data, size);
  world w(in.byte());
  for (int i = 0; i < events_max && !in.empty(); ++i)
    w.event(in);
  w.end();
  return 0;
}
