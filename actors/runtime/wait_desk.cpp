#include "actors/runtime/wait_desk.hpp"

#include <algorithm>
#include <utility>

namespace troupe {

namespace {

// From the question on. A node asks its actors for 0.3 s at most.
constexpr std::chrono::milliseconds answered_within{500};
constexpr std::size_t questions_max = 16; // at a time; no more are answered

} // namespace

wait_desk::wait_desk(std::function<void(std::uint32_t node, const cluster_order&)> order_to,
                     std::function<wait_graph()> own)
    : order_to_(std::move(order_to)), own_(std::move(own)) {}

wait_graph wait_desk::ask(const roll_call& roll) {
  const auto until = std::chrono::steady_clock::now() + answered_within;
  std::uint64_t number = 0;
  {
    const std::lock_guard lock(mutex_);
    number = ++number_;
    for (const auto node : roll.there)
      open_[number][node] = {};
  }
  for (const auto node : roll.there)
    order_to_(node, order::ask{number});
  auto own = own_();
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, until, [&] {
    const auto& said = open_[number];
    return ending_ || std::all_of(said.begin(), said.end(), [](const auto& each) {
             return each.second.complete;
           });
  });
  auto said = std::move(open_.extract(number).mapped());
  lock.unlock();
  return assembled(std::move(own), std::move(said), roll);
}

void wait_desk::heard(std::uint32_t from, const order::waits& piece) {
  const std::lock_guard lock(mutex_);
  const auto open = open_.find(piece.number);
  if (open == open_.end()) return; // too late
  const auto found = open->second.find(from);
  if (found == open->second.end() || found->second.complete) return;
  auto& all = found->second.actors;
  all.insert(all.end(), piece.actors.begin(), piece.actors.end());
  found->second.complete = piece.last;
  changed_.notify_all();
}

wait_graph wait_desk::assembled(wait_graph own, answers said, const roll_call& roll) {
  wait_graph out{.nodes = roll.missing, .over = own.over};
  std::map<address, waiting_actor> actors;
  for (const placement& p : roll.placements) {
    const bool gone = std::any_of(
        roll.missing.begin(), roll.missing.end(), [&](const auto& n) { return n.node == p.node; });
    actors[p.who] = {.who = p.who,
                     .life = p.life,
                     .node = p.node,
                     .state = gone ? actor_state::down : actor_state::unasked};
  }
  const auto take = [&](std::vector<waiting_actor> all, std::uint32_t node) {
    for (auto& a : all) {
      a.node = node; // each for itself
      if (const auto at = actors.find(a.who); at != actors.end() && at->second.node == node)
        at->second = std::move(a);
    }
  };
  take(std::move(own.actors), 0);
  for (auto& [node, each] : said) {
    if (!each.complete) out.nodes.push_back({node, node_state::silent, {}});
    take(std::move(each.actors), node);
  }
  for (auto& [who, a] : actors)
    out.actors.push_back(std::move(a));
  return out;
}

void wait_desk::asked(std::uint64_t number) {
  const std::lock_guard lock(mutex_);
  if (ending_ || to_answer_.size() >= questions_max) return;
  to_answer_.insert(number);
  if (!thread_.joinable()) thread_ = std::thread([this] { serve(); });
  changed_.notify_all();
}

void wait_desk::serve() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return ending_ || !to_answer_.empty(); });
    if (ending_) return;
    const auto number = to_answer_.extract(to_answer_.begin()).value();
    lock.unlock();
    reply(number);
    lock.lock();
  }
}

void wait_desk::reply(std::uint64_t number) {
  const auto all = own_().actors;
  for (std::size_t first = 0; first == 0 || first < all.size();) {
    const auto last = std::min(all.size(), first + order::waits::actors_max);
    order_to_(0,
              order::waits{number,
                           {all.begin() + static_cast<std::ptrdiff_t>(first),
                            all.begin() + static_cast<std::ptrdiff_t>(last)},
                           last == all.size()});
    first = std::max<std::size_t>(last, 1);
  }
}

void wait_desk::end() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

} // namespace troupe
