// A role is a plain class with one `void on(const protocol::x&)` per message that it hears. It
// derives from `role_of<itself>`, which routes a message to its handler; it knows no actor
// framework.
#pragma once

#include "actors/message.hpp"
#include "actors/runtime/context.hpp"
#include "actors/wait.hpp"

#include <functional>
#include <memory>
#include <variant>
#include <vector>

namespace troupe {

class role {
public:
  virtual ~role() = default;

  virtual void started() {} // first in the life of each incarnation

  virtual void receive(const message& m) = 0; // an exception ends the incarnation

  // What its state lacks before it can go on; asked between two messages. Empty: nothing.
  [[nodiscard]] virtual std::vector<wait> waits() const { return {}; }
};

template <class Derived>
class role_of : public role {
public:
  void receive(const message& m) override {
    std::visit(
        [this](const auto& content) {
          // What a role has no handler for is not meant for it (`restarted` goes to everybody).
          if constexpr (requires(Derived & d) { d.on(content); })
            static_cast<Derived*>(this)->on(content);
        },
        m);
  }
};

using role_factory = std::function<std::unique_ptr<role>(context&)>;

} // namespace troupe
