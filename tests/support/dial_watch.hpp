// What is promised of a staleness bound that is dialled, from what is heard in a simulated world:
// a holder that has obeyed it does not go back to one that was set before, also where a copy has
// taken its place; but where another director begins with an earlier step.
#pragma once

#include "actors/runtime/world_observer.hpp"
#include "support/drawn_world.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

namespace troupe::test {

class dial_watch {
public:
  explicit dial_watch(const drawn_world& d) {
    const auto& order = d.options.order;
    bounds_.push_back(order.kind == consistency_kind::bounded ? order.staleness : no_bound);
    auto dials = d.dials;
    std::stable_sort(
        dials.begin(), dials.end(), [](const dial& a, const dial& b) { return a.step < b.step; });
    for (const dial& set : dials) {
      if (set.kind != credit_kind::staleness) continue;
      bounds_.push_back(set.value);
      of_all_ = of_all_ && !set.of;
    }
  }

  void hear(const heard_message& m) {
    if (const auto* r = std::get_if<protocol::restarted>(m.content))
      director_lives_ = director_lives_ && r->who.role != role_kind::director;
    const auto* use = std::get_if<protocol::credit_used>(m.content);
    if (use == nullptr || use->kind != credit_kind::staleness || m.copy || !of_all_) return;
    auto& at = obeyed_[use->from];
    const auto found = std::find(bounds_.begin() + at, bounds_.end(), use->bound);
    if (found != bounds_.end())
      at = found - bounds_.begin();
    else if (problem_.empty())
      problem_ = fmt::format("{} let read within the bound {} again, after {}",
                             use->from.text(),
                             use->bound,
                             bounds_[static_cast<std::size_t>(at)]);
  }

  [[nodiscard]] std::string problem() const { return director_lives_ ? problem_ : ""; }

private:
  std::vector<std::uint64_t> bounds_; // in the order in which they are set
  bool of_all_ = true, director_lives_ = true;
  std::map<address, std::ptrdiff_t> obeyed_; // the last one, by holder
  std::string problem_;
};

} // namespace troupe::test
