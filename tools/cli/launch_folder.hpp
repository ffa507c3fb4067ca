// The private folder of a launch, for sockets: only its owner may enter, and it goes with the
// launch. What a launch that was killed together with its keeper left is removed by the next one.
#pragma once

#include <string>

namespace troupe::cli {

class launch_folder {
public:
  launch_folder(); // throws mistakes
  ~launch_folder();
  launch_folder(const launch_folder&) = delete;
  launch_folder& operator=(const launch_folder&) = delete;

  const std::string& path() const { return path_; }

  std::string name() const; // "troupe-launch-a1B2c3": no other launch on this machine has it

private:
  std::string path_;
  int lock_ = -1; // held as long as the launch or its keeper lives
};

// A TCP port of this machine that nobody has, and that nobody gets who asks for any.
class loopback_port {
public:
  loopback_port(); // throws mistakes
  ~loopback_port();
  loopback_port(const loopback_port&) = delete;
  loopback_port& operator=(const loopback_port&) = delete;

  std::string endpoint() const; // "tcp://127.0.0.1:40123"

private:
  int socket_ = -1; // bound, but it does not listen: a node may bind beside it
  int port_ = 0;
};

} // namespace troupe::cli
