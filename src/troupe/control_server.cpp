#include "troupe/control_server.hpp"

#include "ops/error.hpp"
#include "troupe/control_line.hpp"
#include "troupe/unix_socket.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <list>
#include <utility>
#include <vector>

namespace troupe {

namespace {

using clock = std::chrono::steady_clock;

constexpr std::chrono::seconds patience{10}; // with a client that neither asks nor reads

std::string problem_text() {
  return std::strerror(errno); // NOLINT(concurrency-mt-unsafe): its text is constant in glibc
}

// Of the same user, or of the one who may do everything.
bool may_ask(int connection) {
  ucred who{};
  socklen_t size = sizeof who;
  return ::getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 &&
         (who.uid == ::geteuid() || who.uid == 0);
}

owned_descriptor open_at(const std::string& path) {
  auto out = listen_at(path);
  if (out.get() < 0 && errno == EADDRINUSE) {
    if (connect_to(path).get() >= 0)
      throw error({.what = "a run that goes on has this run folder",
                   .where = path,
                   .why = "its control socket answers",
                   .help = "wait for it, or choose another folder",
                   .kind = error_kind::request});
    ::unlink(path.c_str()); // whoever made it is gone
    out = listen_at(path);
  }
  if (out.get() < 0)
    throw error({.what = "cannot open the control socket of the run",
                 .where = path,
                 .why = problem_text(),
                 .help = "choose a run folder on a disk of this machine, or run without one",
                 .kind = error_kind::environment});
  return out;
}

} // namespace

// A connection: what came and is no line yet, and what is to be said.
class control_server::client {
public:
  explicit client(int connection) : connection_(connection) {}

  [[nodiscard]] int number() const { return connection_.get(); }

  [[nodiscard]] short wants() const { return unsaid_.empty() ? POLLIN : POLLOUT; }

  [[nodiscard]] bool is_over(clock::time_point now) const {
    return over_ || now - moved_ > patience;
  }

  void move(const control_server& by) {
    moved_ = clock::now();
    if (unsaid_.empty())
      hear(by);
    else
      say();
  }

private:
  void hear(const control_server& by) {
    char buffer[1024];
    const auto count = ::recv(number(), buffer, sizeof buffer, 0);
    if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) over_ = true;
    if (count <= 0) return;
    heard_.append(buffer, static_cast<std::size_t>(count));
    const auto end = heard_.find('\n');
    if (end == std::string::npos && heard_.size() <= request_bytes_max) return;
    ends_ = end == std::string::npos || end > request_bytes_max; // where a line ends, nobody knows
    unsaid_ = ends_
                  ? refusal_line({.what = "a request is too long",
                                  .why = fmt::format("it has at most {} bytes", request_bytes_max),
                                  .help = "one JSON object in one line"})
                  : by.answer_to(heard_.substr(0, end));
    heard_.erase(0, ends_ ? heard_.size() : end + 1);
    say();
  }

  void say() {
    const auto count =
        ::send(number(), unsaid_.data() + said_, unsaid_.size() - said_, MSG_NOSIGNAL);
    if (count < 0 && errno != EAGAIN && errno != EINTR) over_ = true;
    if (count <= 0) return;
    said_ += static_cast<std::size_t>(count);
    if (said_ < unsaid_.size()) return;
    unsaid_.clear();
    said_ = 0;
    over_ = over_ || ends_;
  }

  owned_descriptor connection_;
  std::string heard_, unsaid_;
  std::size_t said_ = 0; // of what is unsaid
  bool ends_ = false, over_ = false;
  clock::time_point moved_ = clock::now();
};

control_server::control_server(std::string path, std::map<std::string, control_request> requests)
    : path_(std::move(path)), requests_(std::move(requests)) {
  auto listening = open_at(path_);
  wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  listening_ = listening.release();
  thread_ = std::thread([this] { serve(); });
}

control_server::~control_server() {
  ending_ = true;
  const std::uint64_t one = 1;
  if (::write(wake_, &one, sizeof one) < 0) ending_ = true; // it wakes by itself, later
  thread_.join();
  ::unlink(path_.c_str());
  ::close(listening_);
  ::close(wake_);
}

std::string control_server::answer_to(const std::string& line) const {
  try {
    const auto request = parse_request(line);
    const auto ask = request.find("ask");
    const auto found = requests_.find(ask == request.end() ? "" : ask->second);
    if (found == requests_.end()) {
      std::string known;
      for (const auto& [name, does] : requests_)
        known += (known.empty() ? "" : ", ") + name;
      throw error({.what = ask == request.end() ? "a request does not say what it asks"
                                                : fmt::format("no request is '{}'", ask->second),
                   .why = "the run knows " + known,
                   .help = R"({"ask": "why"})"});
    }
    return answer_line(found->second(request));
  } catch (const error& e) {
    return refusal_line(e.text());
  } catch (const std::exception& e) {
    return refusal_line({.what = e.what()});
  }
}

void control_server::serve() {
  std::list<client> clients;
  while (!ending_) {
    std::vector<pollfd> all{{wake_, POLLIN, 0}, {listening_, POLLIN, 0}};
    if (clients.size() >= clients_max) all[1].events = 0;
    for (const client& c : clients)
      all.push_back({c.number(), c.wants(), 0});
    if (::poll(all.data(), all.size(), 1000) < 0 && errno != EINTR) return;
    auto seen = all.begin() + 2;
    for (client& c : clients)
      if ((seen++)->revents != 0) c.move(*this);
    clients.remove_if([now = clock::now()](const client& c) { return c.is_over(now); });
    if (all[1].revents == 0) continue;
    owned_descriptor fresh(::accept4(listening_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fresh.get() >= 0 && may_ask(fresh.get())) clients.emplace_back(fresh.release());
  }
}

} // namespace troupe
