// How node 0 asks the others who waits for what, and how they answer: a thread of its own asks the
// actors of a node, for the threads of links must not wait. A node that does not answer in time is
// told apart from the others: it is stopped, or out of reach.
#pragma once

#include "actors/runtime/directory.hpp"
#include "actors/wait_graph.hpp"
#include "actors/wire/order.hpp"

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <vector>

namespace troupe {

// As node 0 knows it: who is there, who is not and why, and who plays where.
struct roll_call {
  std::vector<std::uint32_t> there; // but this one
  std::vector<waiting_node> missing;
  std::vector<placement> placements;
};

class wait_desk {
public:
  // Neither may be called under a lock that the other takes.
  wait_desk(std::function<void(std::uint32_t node, const cluster_order&)> order_to,
            std::function<wait_graph()> own);

  ~wait_desk() { end(); }

  wait_graph ask(const roll_call& roll); // of node 0; by any thread
  void heard(std::uint32_t from, const order::waits& piece);
  void asked(std::uint64_t number); // by node 0
  void end();                       // nobody is asked any more

private:
  struct answer {
    std::vector<waiting_actor> actors;
    bool complete = false;
  };

  using answers = std::map<std::uint32_t, answer>; // by node

  void serve();
  void reply(std::uint64_t number);
  static wait_graph assembled(wait_graph own, answers said, const roll_call& roll);

  const std::function<void(std::uint32_t, const cluster_order&)> order_to_;
  const std::function<wait_graph()> own_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t number_ = 0;
  std::map<std::uint64_t, answers> open_; // by number
  std::set<std::uint64_t> to_answer_;
  bool ending_ = false;
  std::thread thread_;
};

} // namespace troupe
