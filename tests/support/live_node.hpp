// A node on real sockets, and all that it was told, which tests wait for.
#pragma once

#include "net/zeromq/node.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace troupe::test {

inline net::parcel parcel_of(const std::string& text, std::size_t payload_bytes = 0) {
  net::parcel out;
  for (const char c : text)
    out.body.push_back(static_cast<std::byte>(c));
  if (payload_bytes == 0) return out;
  const auto bytes = std::make_shared<std::vector<std::byte>>(payload_bytes);
  for (std::size_t i = 0; i < payload_bytes; i += 97)
    (*bytes)[i] = static_cast<std::byte>(i * 31);
  out.payloads.push_back({bytes, *bytes});
  return out;
}

inline bool is_whole(const net::parcel& p) {
  for (const auto& part : p.payloads)
    for (std::size_t i = 0; i < part.bytes.size(); i += 97)
      if (part.bytes[i] != static_cast<std::byte>(i * 31)) return false;
  return true;
}

class live_node {
public:
  explicit live_node(net::node_options options)
      : node_(std::make_unique<net::node>(prepared(std::move(options)), callbacks())) {}

  ~live_node() { node_.reset(); } // before what its callbacks use

  net::node& operator*() { return *node_; }

  net::node* operator->() { return node_.get(); }

  static net::node_options number(std::uint32_t number) {
    net::node_options out;
    out.number = number;
    return out;
  }

  std::string endpoint() const { return node_->endpoints().front(); }

  // "up 1", "down 1: reason", "1: text", "refused: text", "relieved 1".
  std::vector<std::string> heard() const {
    const std::lock_guard lock(mutex_);
    return heard_;
  }

  template <class Condition>
  bool wait(Condition condition, std::chrono::milliseconds most = std::chrono::seconds(20)) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, most, [&] { return condition(heard_); });
  }

  bool hears(const std::string& text, std::ptrdiff_t times = 1) {
    return wait([&](const auto& all) {
      return std::count_if(all.begin(), all.end(), [&](const auto& one) {
               return one.find(text) != std::string::npos;
             }) >= times;
    });
  }

  // Of a node that was up.
  net::node_life life_of(std::uint32_t node) {
    (void)wait([&](const auto&) { return lives_.contains(node); });
    const std::lock_guard lock(mutex_);
    return lives_[node];
  }

  net::sent send(std::uint32_t node, net::lane_kind lane, net::parcel p) {
    return node_->send(life_of(node), lane, std::move(p));
  }

  net::sent say(std::uint32_t node, const std::string& text) {
    return send(node, net::lane_kind::small, parcel_of(text));
  }

  // Until the report of the node says so.
  template <class Condition>
  bool reports(Condition condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition(node_->report())) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return true;
  }

  bool broken = false; // a payload came with other bytes

  // From now on parcels are heard, but not taken.
  void hold() {
    const std::lock_guard lock(mutex_);
    holds_ = true;
  }

  std::size_t held_bytes() const {
    const std::lock_guard lock(mutex_);
    std::size_t out = 0;
    for (const auto& p : held_)
      out += p.bytes();
    return out;
  }

  void let_go() {
    std::vector<net::parcel> gone;
    const std::lock_guard lock(mutex_);
    holds_ = false;
    gone.swap(held_);
  }

private:
  static net::node_options prepared(net::node_options options) {
    if (options.job.empty()) options.job = "test";
    return options;
  }

  void note(const std::string& text) {
    heard_.push_back(text);
    changed_.notify_all();
  }

  net::node_callbacks callbacks() {
    return {.on_parcel =
                [this](const net::node_life& from, net::parcel p) {
                  const std::lock_guard lock(mutex_);
                  broken = broken || !is_whole(p);
                  std::string text = std::to_string(from.node) + ": ";
                  for (const auto b : p.body)
                    text += static_cast<char>(b);
                  note(text);
                  if (holds_) held_.push_back(std::move(p));
                },
            .on_up =
                [this](const net::peer& who) {
                  const std::lock_guard lock(mutex_);
                  lives_[who.who.node] = who.who;
                  note("up " + std::to_string(who.who.node));
                },
            .on_down =
                [this](const net::peer_down& what) {
                  const std::lock_guard lock(mutex_);
                  note("down " + std::to_string(what.who.node) + ": " + what.reason);
                },
            .on_refused =
                [this](const std::string& text) {
                  const std::lock_guard lock(mutex_);
                  note("refused: " + text);
                },
            .on_relieved =
                [this](const net::node_life& who) {
                  const std::lock_guard lock(mutex_);
                  note("relieved " + std::to_string(who.node));
                }};
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> heard_;
  bool holds_ = false;
  std::vector<net::parcel> held_;
  std::map<std::uint32_t, net::node_life> lives_;
  std::unique_ptr<net::node> node_; // last: it calls back
};

} // namespace troupe::test
