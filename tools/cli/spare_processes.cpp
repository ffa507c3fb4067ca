#include "cli/spare_processes.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <string>

namespace troupe::cli {

namespace {

constexpr auto after_the_node = std::chrono::milliseconds(700);
constexpr int deaths_max = 3; // such a driver cannot wait

// As settle() reads it.
std::string words_for(const process_plan& plan) {
  std::string out;
  for (const char* name : {"TROUPE_RANK", "TROUPE_RESTART", "TROUPE_KEYS"})
    if (const auto found = plan.variables.find(name); found != plan.variables.end())
      out += std::string(name) + "=" + found->second + "\n";
  return out + "output=" + plan.output + "\nerrors=" + plan.errors + "\n";
}

bool write_all(int file, const std::string& text) {
  return ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

} // namespace

spare_processes::~spare_processes() {
  for (const spare& s : waiting_)
    ::close(s.tell);
}

std::optional<spare_processes::clock::time_point> spare_processes::due() const {
  if (static_cast<int>(waiting_.size()) >= wanted_) return {};
  return next_;
}

void spare_processes::start_due(clock::time_point now, int keeper) {
  if (!due() || next_ > now) return;
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    next_ = now + after_the_node;
    return;
  }
  process_plan plan = plan_(ends[0]);
  plan.inherits = ends[0];
  const pid_t out = start_process(plan, keeper);
  ::close(ends[0]);
  waiting_.push_back({out, ends[1]});
}

std::optional<pid_t> spare_processes::take(const process_plan& plan, clock::time_point now) {
  next_ = now + after_the_node;
  while (!waiting_.empty()) {
    const spare s = waiting_.front();
    waiting_.erase(waiting_.begin());
    const bool told = write_all(s.tell, words_for(plan));
    ::close(s.tell);
    deaths_ = 0;
    if (told) return s.process;
    ::kill(-s.process, SIGKILL);
  }
  return {};
}

bool spare_processes::ended(pid_t process, clock::time_point now) {
  const auto at = std::find_if(
      waiting_.begin(), waiting_.end(), [&](const spare& s) { return s.process == process; });
  if (at == waiting_.end()) return false;
  ::close(at->tell);
  waiting_.erase(at);
  next_ = now + after_the_node;
  if (++deaths_ >= deaths_max) wanted_ = 0;
  return true;
}

void spare_processes::stop() {
  wanted_ = 0;
  for (const spare& s : waiting_)
    ::kill(-s.process, SIGKILL);
}

} // namespace troupe::cli
