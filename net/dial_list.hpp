// Whom a node dials, and when: at once, then with a back-off that grows from attempt to attempt.
// A place has two lines, one for each lane; the bulk lane's is dialled once the small one's stands.
#pragma once

#include "net/frame.hpp"
#include "net/introduction.hpp"
#include "net/reliable_link.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace troupe::net {

using connection = std::uint64_t; // given once; 0: none

struct dial_options {
  std::chrono::nanoseconds first_wait = std::chrono::milliseconds(10);
  std::chrono::nanoseconds longest_wait = std::chrono::milliseconds(1000);
};

struct dial_report {
  std::string endpoint;
  std::uint32_t node = no_node; // who answered last
  int tries = 0;                // since the last success
  std::string trouble;          // of the last try that failed
  bool abandoned = false;       // refused for good
};

class dial_list {
public:
  struct place {
    std::string endpoint, server_key;
    bool learned = false; // from another node, not from the owner
    bool abandoned = false;
    node_life peer{no_node, 0}; // who answered last
    std::string trouble;

    struct line {
      connection id = 0; // 0: closed
      int tries = 0;
      time_point at{0}; // not before
      bool stands = false;
    } lines[lanes];
  };

  struct order {
    std::size_t place = 0;
    lane_kind lane = lane_kind::small;
  };

  dial_list(std::uint64_t seed, dial_options options) : seed_(seed), options_(options) {}

  void add(const std::string& endpoint, const std::string& server_key, bool learned);

  // `is_linked`: whether a small lane to that life stands anyway. `one`: a place at a time.
  using question = std::function<bool(const node_life&)>;
  [[nodiscard]] std::optional<order> due(time_point now, const question& is_linked, bool one) const;
  [[nodiscard]] time_point wake_at(const question& is_linked, bool one) const;

  place& at(std::size_t index) { return places_[index]; }

  void opened(order what, connection id);
  void stands(order what); // the other side answered
  void works(order what);  // and said more: the next back-off begins anew
  void closed(order what, const std::string& why, time_point now);
  void abandon(std::size_t index, const std::string& why);
  void abandon_all();
  void ended(const node_life& peer); // a place that was learned is dialled no more

  [[nodiscard]] std::vector<dial_report> report() const;

private:
  template <class Visitor>
  void each_wanted(const question& is_linked, bool one, Visitor visit) const;

  std::uint64_t seed_;
  dial_options options_;
  std::vector<place> places_;
};

} // namespace troupe::net
