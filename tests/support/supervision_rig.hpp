// A supervision tree in virtual time, whose children do as they are told unless they are held.
// What the machine does is written down: "start reader 1".
#pragma once

#include "actors/supervision/supervision.hpp"

#include <fmt/format.h>

#include <chrono>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace troupe::test {

class supervision_rig final : public supervised_world {
public:
  explicit supervision_rig(supervision_tree tree) : machine(std::move(tree), *this) {}

  // What was done since the last call.
  std::vector<std::string> done() { return std::exchange(log_, {}); }

  void begin() {
    machine.begin(clock);
    settle();
  }

  void fail(const std::string& id, const std::string& reason = "broken", std::string input = {}) {
    end(id, {child_end::kind::failed, reason, std::move(input)});
  }

  void kill_from_outside(const std::string& id) { end(id, {child_end::kind::killed, "killed"}); }

  void end(const std::string& id, const child_end& how) {
    plays.erase(id);
    machine.down(number(id), lives[id], how, clock);
    settle();
  }

  void ready(const std::string& id) {
    machine.ready(number(id), lives[id], clock);
    settle();
  }

  // Time passes, in jumps to what is due.
  void pass(std::chrono::nanoseconds duration) {
    const auto until = clock + duration;
    for (auto due = machine.due(); due && *due <= until; due = machine.due()) {
      clock = std::max(clock, *due);
      machine.time(clock);
      settle();
    }
    clock = until;
  }

  // Until the next start of a child: how long it took. Zero: it was there, or nothing is due.
  std::chrono::nanoseconds until_start(const std::string& id) {
    const auto from = clock;
    while (!plays.contains(id)) {
      const auto due = machine.due();
      if (!due) return std::chrono::nanoseconds{0};
      clock = std::max(clock, *due);
      machine.time(clock);
      settle();
    }
    return clock - from;
  }

  void stop() {
    machine.stop(clock);
    settle();
  }

  [[nodiscard]] child_number number(const std::string& id) const { return *machine.find(id); }

  std::chrono::nanoseconds clock{0};
  std::map<std::string, incarnation> lives;
  std::set<std::string> plays; // who is there
  std::set<std::string> held;  // do not stop when asked to
  std::vector<error_text> given_up;
  std::vector<child_restart> told;

private:
  incarnation start(child_number who) override {
    const auto& id = machine.spec(who).id;
    log_.push_back(fmt::format("start {} {}", id, ++lives[id]));
    plays.insert(id);
    return lives[id];
  }

  void stop(child_number who) override {
    const auto& id = machine.spec(who).id;
    log_.push_back("stop " + id);
    if (!held.contains(id)) ends_.emplace_back(who, lives[id]);
  }

  void kill(child_number who) override {
    const auto& id = machine.spec(who).id;
    log_.push_back("kill " + id);
    if (!held.contains(id)) ends_.emplace_back(who, lives[id]);
  }

  void restarted(const child_restart& r) override { told.push_back(r); }

  void give_up(const error_text& why) override { given_up.push_back(why); }

  // Who was asked to end does so, in order.
  void settle() {
    while (!ends_.empty()) {
      const auto [who, life] = ends_.front();
      ends_.erase(ends_.begin());
      const auto& id = machine.spec(who).id;
      if (life == lives[id]) plays.erase(id);
      machine.down(who, life, {child_end::kind::killed, "asked to"}, clock);
    }
  }

  std::vector<std::string> log_;
  std::vector<std::pair<child_number, incarnation>> ends_;

public:
  supervision machine; // last: it calls the others
};

} // namespace troupe::test
