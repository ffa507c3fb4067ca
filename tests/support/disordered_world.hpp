// A world for roles in which messages take their time: what one sends to another arrives in order,
// but after anything that others send; a second copy may arrive at any later moment; computations
// end when they like; actors are killed. All by a seed, in one thread.
#pragma once

#include "actors/runtime/context.hpp"
#include "actors/runtime/role.hpp"
#include "support/chance.hpp"

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace troupe::test {

class disordered_world {
public:
  disordered_world(chance& c, int twice_percent) : chance_(c), twice_percent_(twice_percent) {}

  // Called when a message is sent, and when it is heard.
  std::function<void(const address&from, const address&to, const message&)> on_send, on_hear;

  void add(const address& who, role_factory plays) {
    actors_[who].plays = std::move(plays);
    begin(who);
  }

  // An actor that is no role: hears, and may answer.
  void add(const address& who, std::function<void(const message&)> hears) {
    actors_[who].hears = std::move(hears);
  }

  void send(const address& from, const address& to, const message& m) {
    if (on_send) on_send(from, to, m);
    edges_[{from, to}].push_back(m);
  }

  // What is on its way to it is lost, and so is what it computes. Everybody hears of the next one.
  void kill(const address& who, const address& supervisor) {
    for (auto& [edge, messages] : edges_)
      if (edge.second == who) messages.clear();
    std::erase_if(copies_, [&](const copy& c) { return c.to == who; });
    computations_.erase(who);
    const auto life = begin(who);
    for (const auto& [other, played] : actors_)
      if (other != who) send(supervisor, other, protocol::restarted{who, life});
  }

  // One thing happens, of all that could. False: nothing is left to happen.
  bool happen() {
    std::vector<std::function<void()>> can;
    for (auto& [edge, messages] : edges_)
      if (!messages.empty())
        can.emplace_back([&, at = &messages, edge = edge] { hear(edge, *at); });
    for (auto& [who, waiting] : computations_)
      if (!waiting.empty()) can.emplace_back([&, at = &waiting, who = who] { compute(who, *at); });
    if (!copies_.empty()) can.emplace_back([&] { hear_copy(); });
    if (can.empty()) return false;
    can[static_cast<std::size_t>(chance_.between(0, static_cast<int>(can.size()) - 1))]();
    return true;
  }

private:
  using edge_key = std::pair<address, address>;
  using work = std::function<void(computation&)>;

  class here final : public context {
  public:
    here(disordered_world& world, address who, incarnation life)
        : world_(world), who_(who), life_(life) {}

    address self() const override { return who_; }

    incarnation life() const override { return life_; }

    void send(const address& to, message m) override { world_.send(who_, to, m); }

    void send_after(std::chrono::nanoseconds, message m) override { world_.send(who_, who_, m); }

    std::chrono::nanoseconds now() const override { return {}; }

    using context::compute;

    void compute(lane, std::uint64_t, work job) override {
      world_.computations_[who_].push_back(std::move(job));
    }

    incarnation start(const address&) override { return 0; }

    void end(const address&) override {}

    void send_to_all(const message&) override {}

  private:
    disordered_world& world_;
    address who_;
    incarnation life_;
  };

  struct posts final : computation {
    std::vector<message> all;
    std::atomic<bool> never{false};

    void post(message m) override { all.push_back(std::move(m)); }

    disk& files() override { return machine_disk(); }

    const std::atomic<bool>& cancelled() const override { return never; }
  };

  struct actor {
    role_factory plays;
    std::function<void(const message&)> hears;
    incarnation life = 0;
    std::unique_ptr<here> world;
    std::unique_ptr<role> player;
  };

  struct copy {
    address from, to;
    message content;
  };

  incarnation begin(const address& who) {
    auto& a = actors_.at(who);
    a.player.reset();
    a.world = std::make_unique<here>(*this, who, ++a.life);
    a.player = a.plays(*a.world);
    a.player->started();
    return a.life;
  }

  void deliver(const address& from, const address& to, const message& m) {
    if (on_hear) on_hear(from, to, m);
    auto& a = actors_.at(to);
    if (a.player)
      a.player->receive(m);
    else
      a.hears(m);
  }

  void hear(const edge_key& edge, std::deque<message>& messages) {
    const message m = std::move(messages.front());
    messages.pop_front();
    if (edge.first != edge.second && chance_.percent(twice_percent_))
      copies_.push_back({edge.first, edge.second, m});
    deliver(edge.first, edge.second, m);
  }

  void hear_copy() {
    const auto at = copies_.begin() + chance_.between(0, static_cast<int>(copies_.size()) - 1);
    const copy c = *at;
    copies_.erase(at);
    deliver(c.from, c.to, c.content);
  }

  // Those of one actor may end in any order: roles wait where the order matters.
  void compute(const address& who, std::deque<work>& waiting) {
    const auto at = waiting.begin() + chance_.between(0, static_cast<int>(waiting.size()) - 1);
    const work job = std::move(*at);
    waiting.erase(at);
    posts out;
    job(out);
    for (const message& m : out.all)
      send(who, who, m);
  }

  chance& chance_;
  const int twice_percent_;
  std::map<address, actor> actors_;
  std::map<edge_key, std::deque<message>> edges_;
  std::map<address, std::deque<work>> computations_;
  std::vector<copy> copies_;
};

} // namespace troupe::test
