// Actors of a user's own, with messages of their own, under a supervision tree: live in this
// process.
//
//   struct line { std::string text; };
//   class printer : public own_actor_of<printer, line> {
//   public:
//     void on(const line& l) { std::puts(l.text.c_str()); }
//   };
//
//   own_actors here({.root = {.children = {{.id = "printer"}}}});
//   here.add("printer", [](own_context&) { return std::make_unique<printer>(); });
//   here.start();
//   here.send("printer", line{"hello"});
//   here.stop();
//
// An actor handles one message at a time; an exception ends its incarnation, and its supervisor
// does what the tree says. What was sent to an incarnation that ended is lost.
#pragma once

#include "actors/address.hpp"
#include "actors/supervision/supervision_tree.hpp"

#include <any>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace troupe {

// What an incarnation may do. Used from its handlers only.
class own_context {
public:
  virtual ~own_context() = default;
  [[nodiscard]] virtual const std::string& id() const = 0;
  [[nodiscard]] virtual incarnation life() const = 0;
  virtual void send(const std::string& to,
                    std::any m) = 0; // in order; throws error: nobody is so called
  virtual void send_after(std::chrono::nanoseconds delay, std::any m) = 0; // to this incarnation
  virtual void ready() = 0;  // where its specification says `start_within`
  virtual void finish() = 0; // ends, without an error, after this message
};

class own_actor {
public:
  virtual ~own_actor() = default;

  virtual void started() {} // first in the life of each incarnation

  virtual void stopping() {} // last, where its supervisor asks it to end

  virtual void receive(const std::any& m) = 0;
};

// Calls `on(const Message&)` of Derived; what is none of the messages is not for it.
template <class Derived, class... Messages>
class own_actor_of : public own_actor {
public:
  void receive(const std::any& m) final { (void)(hear<Messages>(m) || ...); }

private:
  template <class Message>
  bool hear(const std::any& m) {
    const auto* content = std::any_cast<Message>(&m);
    if (content != nullptr) static_cast<Derived*>(this)->on(*content);
    return content != nullptr;
  }
};

using own_actor_factory = std::function<std::unique_ptr<own_actor>(own_context&)>;

// What there is to see; told by one thread at a time.
struct own_event {
  enum class kind { restarted, given_up };

  kind what = kind::restarted;
  std::string who;
  incarnation life = 0; // the new one
  std::string reason;
};

class own_actors {
public:
  explicit own_actors(supervision_tree tree, int threads = 2);
  ~own_actors(); // stops
  own_actors(const own_actors&) = delete;
  own_actors& operator=(const own_actors&) = delete;

  void add(const std::string& id, own_actor_factory make);
  void observe(std::function<void(const own_event&)> by); // before start(); returns soon
  void start(); // throws error: mistakes of the tree, an actor that nobody added

  // By any thread. An id that is not in the tree throws error.
  void send(const std::string& to, std::any m);
  void kill(const std::string& id); // after the message that it handles

  // Until all have ended: stop() was called, or the tree could not bear what happened, which is
  // returned. A tree that gives up stops all of its actors.
  std::optional<error_text> wait();
  void stop(); // asks all to end, in reverse order, and waits. Not from an actor

  struct impl;

private:
  std::unique_ptr<impl> impl_;
};

} // namespace troupe
