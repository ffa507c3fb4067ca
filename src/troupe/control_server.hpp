// The control channel of a live run: a Unix socket on which other programs of the same user ask it
// something. A request is one line, a JSON object of texts: {"ask": "why", "as": "json"}; so is its
// answer: {"ok": true, "answer": "..."}, or {"ok": false, "what": ..., "why": ..., "help": ...}.
//
// Requests are bounded, and so is what is kept for who does not read: neither broken nor hostile
// clients cost more than a few kilobytes, or hold up others or the run. The socket is the owner's
// alone (mode 0600), and is removed at the end; one that a killed run left behind is recognised,
// because nobody answers there.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <thread>

namespace troupe {

using control_arguments = std::map<std::string, std::string>;

// Answers a request, or throws error. Called by a thread of its own, one request at a time; returns
// within about a second.
using control_request = std::function<std::string(const control_arguments&)>;

class control_server {
public:
  static constexpr std::size_t request_bytes_max = 4096;
  static constexpr std::size_t clients_max = 16;

  // Throws error where the socket cannot be made, or another run answers there.
  control_server(std::string path, std::map<std::string, control_request> requests);
  control_server(const control_server&) = delete;
  control_server& operator=(const control_server&) = delete;
  ~control_server();

private:
  class client;

  void serve();
  [[nodiscard]] std::string answer_to(const std::string& line) const;

  const std::string path_;
  const std::map<std::string, control_request> requests_;
  int listening_ = -1, wake_ = -1;
  std::atomic<bool> ending_{false};
  std::thread thread_;
};

// Asks the run whose control socket that is. Throws error: nobody answers there, not in time, or
// the run refuses, in its words.
std::string ask_run(const std::string& path, const control_arguments& request);

} // namespace troupe
