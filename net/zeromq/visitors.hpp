// Who has come to a socket that listens. ZeroMQ names each by a routing id that it drew, so nobody
// can ask for another's, and its monitor names them by their descriptors. It cannot be told to
// close one of them: who was refused often enough is not heard until its connection ends.
//
// ZeroMQ reads its connections in turn, so the last words of one that has ended may come after the
// first of the next one with its descriptor. Which of two visitors with one descriptor still lives
// is therefore not known when they enter; both have left when the descriptor's connection ends.
#pragma once

#include "net/sessions.hpp"

#include <map>
#include <string>
#include <vector>

namespace troupe::net {

class visitors {
public:
  static constexpr int chances = 8; // to say something that somebody understands

  // The connection that a routing id is; 0: none, or no more.
  [[nodiscard]] connection find(const std::string& route) const;
  [[nodiscard]] bool may_enter(const std::string& route) const;

  // `descriptor`: -1 where it has none: inproc.
  void enter(const std::string& route, int descriptor, connection fresh);

  // The connection with that descriptor has ended. Returns whose it was.
  std::vector<connection> leave(int descriptor);

  void forget(connection c); // who is that may enter again

  struct way {
    std::string route;
    bool leaves_machine = true; // as far as its kind of socket says
  };

  [[nodiscard]] const way* way_to(connection c) const;

private:
  struct visitor {
    connection id = 0;
    int descriptor = -1;
    int entered = 0;
  };

  std::map<std::string, visitor> all_;
  std::map<connection, way> ways_;
  std::multimap<int, std::string> descriptors_;
};

} // namespace troupe::net
