// A table from numbers to values, for what is looked up with every message: one array, probed one
// place after the other. Nobody can see the order of its entries, so no result depends on it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace troupe::simulation {

struct number_hash {
  std::size_t operator()(std::uint64_t key) const noexcept {
    key = (key ^ (key >> 32U)) * 0x9E3779B97F4A7C15U;
    return static_cast<std::size_t>(key ^ (key >> 29U));
  }
};

template <class Key, class Value, class Hash = number_hash>
class flat_table {
public:
  // Null: not there. Valid until something is added or removed.
  Value* find(const Key& key) {
    if (places_.empty()) return nullptr;
    place& p = places_[place_of(key)];
    return p.used ? &p.value : nullptr;
  }

  // Where it is not there, `value` is added.
  Value& at_or(const Key& key, Value value = {}) {
    if (4 * (size_ + 1) > 3 * places_.size()) grow();
    place& p = places_[place_of(key)];
    if (!p.used) {
      p = {key, std::move(value), true};
      ++size_;
    }
    return p.value;
  }

  void erase(const Key& key) {
    if (places_.empty()) return;
    std::size_t hole = place_of(key);
    if (!places_[hole].used) return;
    --size_;
    // What would not be found over the hole moves into it (Knuth 6.4, algorithm R).
    for (std::size_t at = next(hole); places_[at].used; at = next(at)) {
      const std::size_t home = Hash{}(places_[at].key) & (places_.size() - 1);
      if (((at - home) & (places_.size() - 1)) < ((at - hole) & (places_.size() - 1))) continue;
      places_[hole] = std::move(places_[at]);
      hole = at;
    }
    places_[hole] = {};
  }

private:
  struct place {
    Key key{};
    Value value{};
    bool used = false;
  };

  [[nodiscard]] std::size_t next(std::size_t at) const { return (at + 1) & (places_.size() - 1); }

  // Of the key, or where it would be.
  [[nodiscard]] std::size_t place_of(const Key& key) const {
    std::size_t at = Hash{}(key) & (places_.size() - 1);
    while (places_[at].used && !(places_[at].key == key))
      at = next(at);
    return at;
  }

  void grow() {
    auto old = std::exchange(places_, std::vector<place>(places_.empty() ? 4 : 2 * places_.size()));
    for (place& p : old)
      if (p.used) places_[place_of(p.key)] = std::move(p);
  }

  std::vector<place> places_; // as many as a power of two
  std::size_t size_ = 0;
};

} // namespace troupe::simulation
