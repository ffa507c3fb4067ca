// A function that is called once or not at all, and is moved instead of copied. What it captures
// lies within it, so an event costs no allocation; only captures that are large go to the heap.
#pragma once

#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>

namespace troupe::simulation {

class action {
public:
  action() = default;

  template <class F>

  requires(!std::is_same_v<std::remove_cvref_t<F>, action>)
      action(F&& f) { // NOLINT(*-explicit-*): as a lambda becomes a std::function
    using held = std::remove_cvref_t<F>;
    if constexpr (sizeof(held) <= room && std::is_nothrow_move_constructible_v<held>) {
      std::construct_at(reinterpret_cast<held*>(place_), std::forward<F>(f));
      kind_ = &kind_of<held>;
    } else {
      *this = action([large = std::make_unique<held>(std::forward<F>(f))] { (*large)(); });
    }
  }

  action(action&& other) noexcept : kind_(std::exchange(other.kind_, nullptr)) {
    if (kind_ != nullptr) kind_->move(other.place_, place_);
  }

  action& operator=(action&& other) noexcept {
    if (this == &other) return *this;
    clear();
    kind_ = std::exchange(other.kind_, nullptr);
    if (kind_ != nullptr) kind_->move(other.place_, place_);
    return *this;
  }

  ~action() { clear(); }

  void operator()() { kind_->call(place_); } // REQUIRES: not empty

private:
  static constexpr std::size_t room = 32;

  struct kind {
    void (*call)(void*);
    void (*move)(void* from, void* to); // and ends the life of what was moved
    void (*end)(void*);
  };

  template <class F>
  static constexpr kind kind_of{[](void* f) { (*static_cast<F*>(f))(); },
                                [](void* from, void* to) {
                                  std::construct_at(static_cast<F*>(to),
                                                    std::move(*static_cast<F*>(from)));
                                  static_cast<F*>(from)->~F();
                                },
                                [](void* f) { static_cast<F*>(f)->~F(); }};

  void clear() {
    if (const auto* was = std::exchange(kind_, nullptr)) was->end(place_);
  }

  const kind* kind_ = nullptr;
  alignas(alignof(void*)) std::byte place_[room];
};

} // namespace troupe::simulation
