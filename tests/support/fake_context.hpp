// A context for testing one role by itself: what it sends is kept, computations run when asked.
#pragma once

#include "actors/runtime/context.hpp"

#include <deque>
#include <functional>
#include <utility>
#include <vector>

namespace troupe::test {

class fake_context final : public context {
public:
  struct sent_message {
    address to;
    message content;
  };

  explicit fake_context(address who, incarnation life = 1) : who_(who), life_(life) {}

  address self() const override { return who_; }

  incarnation life() const override { return life_; }

  void send(const address& to, message m) override { sent.push_back({to, std::move(m)}); }

  void send_after(std::chrono::nanoseconds delay, message m) override {
    delays.push_back(delay);
    later.push_back(std::move(m));
  }

  std::chrono::nanoseconds now() const override { return clock; }

  using context::compute;

  void compute(lane, std::uint64_t, std::function<void(computation&)> work) override {
    computations.push_back(std::move(work));
  }

  // They go on: a world need not stop them.
  void abandon_computations() override { ++abandoned; }

  incarnation start(const address& who) override {
    started.push_back(who);
    return 2;
  }

  void end(const address& who) override { ended.push_back(who); }

  void send_to_all(const message& m) override { to_all.push_back(m); }

  // Runs the oldest computation; what it posts is returned.
  std::vector<message> run_one() {
    struct here final : computation {
      std::vector<message> posted;
      std::atomic<bool> flag{false};

      void post(message m) override { posted.push_back(std::move(m)); }

      disk& files() override { return machine_disk(); }

      const std::atomic<bool>& cancelled() const override { return flag; }
    } collector;

    auto work = std::move(computations.front());
    computations.pop_front();
    work(collector);
    return std::move(collector.posted);
  }

  // The content of all messages of one kind, in order.
  template <class Message>
  std::vector<Message> of() const {
    std::vector<Message> out;
    for (const auto& s : sent)
      if (const auto* m = std::get_if<Message>(&s.content)) out.push_back(*m);
    return out;
  }

  std::vector<sent_message> sent;
  std::vector<message> later, to_all;
  std::vector<std::chrono::nanoseconds> delays;
  std::vector<address> started, ended;
  std::deque<std::function<void(computation&)>> computations;
  std::chrono::nanoseconds clock{0};
  int abandoned = 0;

private:
  address who_;
  incarnation life_;
};

} // namespace troupe::test
