#include "net/processes.hpp"

#include "ops/digest.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <string>

namespace troupe::net {

namespace {

// Processes with one number of it are in one table of processes: this start of the kernel, and the
// container's name space.
std::uint64_t machine_number() {
  std::string boot;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> boot;
  std::array<char, 64> space{};
  const auto size = ::readlink("/proc/self/ns/pid", space.data(), space.size());
  if (boot.empty() || size <= 0) return 0;
  boot.append(space.data(), static_cast<std::size_t>(size));
  return digest_of(boot.data(), boot.size());
}

} // namespace

process_name this_process() {
  static const std::uint64_t machine = machine_number();
  return {machine, static_cast<std::uint32_t>(::getpid())};
}

process_watch::~process_watch() {
  for (const auto& [descriptor, who] : watched_)
    ::close(descriptor);
}

void process_watch::add(const node_life& who, const process_name& plays_in) {
  const process_name here = this_process();
  if (plays_in.machine == 0 || plays_in.machine != here.machine || plays_in == here) return;
  const int descriptor =
      static_cast<int>(::syscall(SYS_pidfd_open, static_cast<pid_t>(plays_in.number), 0));
  if (descriptor < 0) {
    if (errno == ESRCH) gone_.push_back(who);
    return; // an older kernel: the connections will tell
  }
  all_.add(descriptor, static_cast<std::uint64_t>(descriptor));
  watched_[descriptor] = who;
}

void process_watch::remove(const node_life& who) {
  std::erase_if(watched_, [&](const auto& entry) {
    if (entry.second != who) return false;
    ::close(entry.first);
    return true;
  });
}

std::vector<node_life> process_watch::ended() {
  std::vector<node_life> out = std::exchange(gone_, {});
  if (watched_.empty()) return out;
  for (const std::uint64_t number : all_.wait(std::chrono::milliseconds(0))) {
    const auto at = watched_.find(static_cast<int>(number));
    out.push_back(at->second);
    ::close(at->first); // the last of its kind: the set forgets it
    watched_.erase(at);
  }
  return out;
}

} // namespace troupe::net
