// A map of few entries: sorted, in one piece of memory that it keeps. What is added or removed
// moves the others, so no reference outlives that.
#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace troupe {

template <class Key, class Value>
class small_map {
public:
  using entry = std::pair<Key, Value>;
  using iterator = typename std::vector<entry>::iterator;
  using const_iterator = typename std::vector<entry>::const_iterator;

  [[nodiscard]] iterator begin() { return entries_.begin(); }

  [[nodiscard]] iterator end() { return entries_.end(); }

  [[nodiscard]] const_iterator begin() const { return entries_.begin(); }

  [[nodiscard]] const_iterator end() const { return entries_.end(); }

  [[nodiscard]] std::size_t size() const { return entries_.size(); }

  iterator lower_bound(const Key& key) {
    return std::partition_point(begin(), end(), [&](const entry& e) { return e.first < key; });
  }

  iterator find(const Key& key) {
    const auto at = lower_bound(key);
    return at != end() && at->first == key ? at : end();
  }

  [[nodiscard]] const_iterator find(const Key& key) const {
    return const_cast<small_map*>(this)->find(key);
  }

  [[nodiscard]] bool contains(const Key& key) const { return find(key) != end(); }

  // Where it is there, nothing changes.
  std::pair<iterator, bool> try_emplace(const Key& key, Value value) {
    const auto at = lower_bound(key);
    if (at != end() && at->first == key) return {at, false};
    return {entries_.emplace(at, key, std::move(value)), true};
  }

  Value& operator[](const Key& key) { return try_emplace(key, {}).first->second; }

  Value& at(const Key& key) { return find(key)->second; } // REQUIRES: it is there

  [[nodiscard]] const Value& at(const Key& key) const { return find(key)->second; }

  void erase(const Key& key) {
    if (const auto found = find(key); found != end()) entries_.erase(found);
  }

  void erase_below(const Key& key) { entries_.erase(begin(), lower_bound(key)); }

private:
  std::vector<entry> entries_;
};

} // namespace troupe
