// Nodes that are nothing but sessions, in virtual time: connections are pairs of queues that a test
// can cut, swallow, or make carry nonsense.
#pragma once

#include "net/sessions.hpp"

#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace troupe::test {

class session_world {
public:
  struct node {
    std::optional<net::sessions> s; // none: it is not running
    std::string endpoint, key;
    std::vector<float> numbers;
    std::vector<std::string> heard; // "up 1.22", "down 1.22: reason", "1: text", "refused: text"
  };

  net::time_point now{std::chrono::seconds(1)};
  std::map<int, node> nodes;
  std::chrono::nanoseconds delay = std::chrono::microseconds(100);

  static net::session_options options_of(std::uint32_t number, std::uint64_t life) {
    net::session_options out;
    out.me = {number, life};
    out.self.job = "a job";
    return out;
  }

  net::sessions& start(int name, net::session_options options) {
    node& n = nodes[name];
    kill(name);
    n.endpoint = std::to_string(name);
    options.self.endpoints = {n.endpoint};
    n.key = options.self.public_key;
    n.s.emplace(std::move(options));
    return *n.s;
  }

  // Nobody hears that it died but by its connections.
  void kill(int name) {
    nodes[name].s.reset();
    for (auto& w : wires_)
      if (w.ends[0].node == name || w.ends[1].node == name) w.cut = true;
  }

  void cut(int a, int b) {
    for (auto& w : between(a, b))
      w->cut = true;
  }

  // Nothing passes, and nobody is told; also on new connections.
  void swallow(int a, int b, bool on) {
    if (on)
      swallowed_.insert({a, b});
    else
      swallowed_.erase({a, b});
  }

  void garble_next(int from, int to) { garbled_.insert({from, to}); }

  void run(std::chrono::nanoseconds time) {
    const auto end = now + time;
    while (now < end) {
      step();
      now += std::chrono::microseconds(500);
    }
  }

  void send(int from, int to, const std::string& text, net::lane_kind lane) {
    net::parcel p;
    for (const char c : text)
      p.body.push_back(static_cast<std::byte>(c));
    post(from, to, std::move(p), lane);
  }

  void post(int from, int to, net::parcel p, net::lane_kind lane = net::lane_kind::bulk) {
    auto& peer = *nodes[to].s;
    sent_.push_back(nodes[from].s->post(peer.me(), lane, std::move(p)));
  }

  // The first float of each payload that came.
  const std::vector<float>& numbers(int name) { return nodes[name].numbers; }

  bool last_sent() const { return sent_.back(); }

  std::vector<std::string> take(int name) { return std::exchange(nodes[name].heard, {}); }

  std::size_t connections(int a, int b) { return between(a, b).size(); }

private:
  struct side {
    int node = 0;
    net::connection id = 0; // of that node
  };

  struct message {
    net::time_point at;
    int to = 0; // which end
    std::vector<std::byte> first;
    std::vector<net::payload> payloads;
  };

  struct wire {
    side ends[2];
    std::deque<message> queue;
    bool cut = false, closing = false;
  };

  std::vector<wire*> between(int a, int b) {
    std::vector<wire*> out;
    for (auto& w : wires_)
      if (!w.cut && ((w.ends[0].node == a && w.ends[1].node == b) ||
                     (w.ends[0].node == b && w.ends[1].node == a)))
        out.push_back(&w);
    return out;
  }

  void step() {
    for (auto& [name, n] : nodes)
      if (n.s) drive(name, n);
    for (std::size_t i = 0; i < wires_.size(); ++i)
      deliver(wires_[i]);
    for (auto& w : wires_)
      if (w.cut)
        for (const side& e : w.ends)
          if (nodes[e.node].s && e.id != 0) nodes[e.node].s->broken(e.id, "it broke", now);
    std::erase_if(wires_, [](const wire& w) { return w.cut; });
  }

  void drive(int name, node& n) {
    n.s->advance(now);
    while (auto d = n.s->next_dial(now))
      connect(name, *d);
    while (auto s = n.s->next_sending(now))
      carry(name, *s);
    while (auto c = n.s->next_close())
      close(name, *c);
    while (auto e = n.s->next_event())
      note(n, *e);
  }

  // As sockets do it: who dialled closes when all is sent; who was dialled only forgets.
  void close(int name, net::connection c) {
    for (auto& w : wires_)
      for (int i = 0; i < 2; ++i)
        if (w.ends[i].node == name && w.ends[i].id == c) {
          w.ends[i].id = 0;
          w.closing = w.closing || i == 0;
        }
  }

  void connect(int name, const net::dial_order& d) {
    const int other = std::stoi(d.endpoint);
    if (!nodes[other].s) return nodes[name].s->broken(d.id, "connection refused", now);
    wire w;
    w.ends[0] = {name, d.id};
    w.ends[1] = {other, nodes[other].s->fresh_connection()};
    wires_.push_back(std::move(w));
  }

  void carry(int name, net::sending& s) {
    for (auto& w : wires_)
      for (int i = 0; i < 2; ++i) {
        if (w.ends[i].node != name || w.ends[i].id != s.to) continue;
        const int to = w.ends[1 - i].node;
        if (swallowed_.contains({name, to})) return;
        message m{now + delay, 1 - i, net::encode(s.what, true), {}};
        for (const net::payload& p : s.what.content.payloads)
          if (!p.lent) m.payloads.push_back(p);
        if (garbled_.erase({name, to}) > 0) m.first.back() ^= std::byte{1};
        w.queue.push_back(std::move(m));
        return;
      }
  }

  void deliver(wire& w) {
    while (!w.cut && !w.queue.empty() && w.queue.front().at <= now) {
      message m = std::move(w.queue.front());
      w.queue.pop_front();
      side& to = w.ends[m.to];
      if (to.id == 0 && m.to == 0) continue;
      if (to.id == 0) to.id = nodes[to.node].s->fresh_connection();
      const auto& key = nodes[w.ends[1 - m.to].node].key;
      nodes[to.node].s->received(to.id, key, m.first, std::move(m.payloads), now);
    }
    w.cut = w.cut || (w.closing && w.queue.empty());
  }

  static std::string text(const net::node_life& who) {
    return std::to_string(who.node) + "." + std::to_string(who.life);
  }

  static void note(node& n, const net::session_event& e) {
    if (const auto* up = std::get_if<net::peer_up>(&e))
      n.heard.push_back("up " + text(up->who.who));
    if (const auto* down = std::get_if<net::peer_down>(&e))
      n.heard.push_back("down " + text(down->who) + ": " + down->reason);
    if (const auto* refused = std::get_if<net::node_refused>(&e))
      n.heard.push_back("refused: " + refused->text);
    if (const auto* came = std::get_if<net::parcel_came>(&e)) {
      std::string said = std::to_string(came->from.node) + ": ";
      for (const auto b : came->content.body)
        said += static_cast<char>(b);
      n.heard.push_back(said);
      for (const auto& p : came->content.payloads) {
        float number = 0;
        if (p.bytes.size() >= sizeof number) std::memcpy(&number, p.bytes.data(), sizeof number);
        n.numbers.push_back(number);
      }
    }
  }

  std::deque<wire> wires_;
  std::set<std::pair<int, int>> swallowed_, garbled_;
  std::vector<bool> sent_;
};

// Nodes 0 (life 11) and 1 (life 22); node 1 has dialled.
inline session_world two(std::chrono::nanoseconds give_up_after = std::chrono::seconds(1)) {
  session_world w;
  auto zero = session_world::options_of(0, 11), one = session_world::options_of(1, 22);
  zero.give_up_after = one.give_up_after = give_up_after;
  w.start(0, zero);
  w.start(1, one).dial("0", "");
  w.run(std::chrono::milliseconds(20));
  return w;
}

} // namespace troupe::test
