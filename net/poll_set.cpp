#include "net/poll_set.hpp"

#include <sys/epoll.h>
#include <unistd.h>

#include <array>

namespace troupe::net {

poll_set::poll_set() : set_(::epoll_create1(EPOLL_CLOEXEC)) {}

poll_set::~poll_set() {
  ::close(set_);
}

void poll_set::add(int descriptor, std::uint64_t number) const {
  epoll_event wanted{};
  wanted.events = EPOLLIN;
  wanted.data.u64 = number;
  ::epoll_ctl(set_, EPOLL_CTL_ADD, descriptor, &wanted);
}

void poll_set::remove(int descriptor) const {
  ::epoll_ctl(set_, EPOLL_CTL_DEL, descriptor, nullptr);
}

std::span<const std::uint64_t> poll_set::wait(std::chrono::milliseconds longest) {
  std::array<epoll_event, 64> events{}; // those beyond it are told by the next wait
  const int count = ::epoll_wait(
      set_, events.data(), static_cast<int>(events.size()), static_cast<int>(longest.count()));
  readable_.clear();
  for (int i = 0; i < count; ++i)
    readable_.push_back(events[static_cast<std::size_t>(i)].data.u64);
  return readable_;
}

} // namespace troupe::net
