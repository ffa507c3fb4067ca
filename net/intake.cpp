#include "net/intake.hpp"

#include <algorithm>
#include <utility>

namespace troupe::net {

intake::intake(std::array<std::size_t, lanes> step, std::function<void()> tell)
    : step_(step), tell_(std::move(tell)) {
  for (std::size_t& bytes : step_)
    bytes = std::max<std::size_t>(bytes, 1);
}

std::shared_ptr<const void>
intake::credit(const std::shared_ptr<intake>& of, lane_kind lane, std::size_t bytes) {
  struct taken_at_its_end {
    std::shared_ptr<intake> of;
    lane_kind lane;
    std::size_t bytes;

    taken_at_its_end(std::shared_ptr<intake> o, lane_kind l, std::size_t b)
        : of(std::move(o)), lane(l), bytes(b) {}

    taken_at_its_end(const taken_at_its_end&) = delete;
    taken_at_its_end& operator=(const taken_at_its_end&) = delete;

    ~taken_at_its_end() { of->take(lane, bytes); }
  };

  return std::make_shared<const taken_at_its_end>(of, lane, bytes);
}

std::uint64_t intake::taken(lane_kind lane) const {
  return taken_[static_cast<std::size_t>(lane)];
}

void intake::take(lane_kind lane, std::size_t bytes) {
  const auto i = static_cast<std::size_t>(lane);
  const std::uint64_t before = taken_[i].fetch_add(bytes);
  if (tell_ && before / step_[i] != (before + bytes) / step_[i]) tell_();
}

} // namespace troupe::net
