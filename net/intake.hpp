// How much of what came over a link its owner has taken. A parcel is taken when the last copy of
// its `credit` goes, on whatever thread: so whoever lets parcels wait holds up their sender, and
// nobody else has to count.
#pragma once

#include "net/frame.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

namespace troupe::net {

class intake {
public:
  // `tell`: called each time that another `step` bytes of a lane are taken. It may outlive the
  // link.
  intake(std::array<std::size_t, lanes> step, std::function<void()> tell);

  // For so many bytes that came.
  static std::shared_ptr<const void>
  credit(const std::shared_ptr<intake>& of, lane_kind lane, std::size_t bytes);

  [[nodiscard]] std::uint64_t taken(lane_kind lane) const; // bytes, of all that came

private:
  void take(lane_kind lane, std::size_t bytes);

  std::array<std::size_t, lanes> step_;
  std::function<void()> tell_;
  std::array<std::atomic<std::uint64_t>, lanes> taken_{};
};

} // namespace troupe::net
