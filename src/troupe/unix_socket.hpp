// Unix sockets by path, of any length.
#pragma once

#include <string>

namespace troupe {

// Closes it at the end of its scope.
class owned_descriptor {
public:
  explicit owned_descriptor(int number = -1) : number_(number) {}

  owned_descriptor(owned_descriptor&& other) noexcept : number_(other.release()) {}

  owned_descriptor& operator=(owned_descriptor&& other) noexcept;
  ~owned_descriptor();

  [[nodiscard]] int get() const { return number_; }

  int release() {
    const int out = number_;
    number_ = -1;
    return out;
  }

private:
  int number_;
};

// Both return a non-blocking socket, or one that is not there (-1) with errno set. The one that
// listens is its owner's alone.
owned_descriptor listen_at(const std::string& path);
owned_descriptor connect_to(const std::string& path);

} // namespace troupe
