// What makes several parameter holders one that survives: copies, each of which has the same
// blocks.
//
// Copy 0 is the *head*, the one that others know. It does not send its state but what changes it:
// each input that it takes up is an entry of a log, which all copies get and do in the same order,
// with the same code. What others may see of an entry is said when all copies keep it, so whatever
// was seen survives as long as one copy does. The head itself computes ahead.
//
// A holder that is restarted begins without a state. A copy asks the head. A head asks all copies:
// from then on they hear no older head; the one that is furthest has all that was ever seen.
#pragma once

#include "actors/address.hpp"
#include "actors/protocol/holder_copies.hpp"
#include "actors/runtime/context.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace troupe {

class holder_copies {
public:
  // All of them, the head first; empty: it has none. Who holds nothing has no state to lose.
  holder_copies(context& world, std::vector<address> all, bool holds_something);

  [[nodiscard]] bool alone() const { return all_.size() < 2; }

  [[nodiscard]] bool is_head() const { return own_ == 0; }

  // Without a state: what comes must wait, or will be told again.
  [[nodiscard]] bool recovering() const { return recovering_; }

  // Nobody has a state.
  [[nodiscard]] bool lost() const { return recovering_ && without_.size() + 1 >= all_.size(); }

  void started();

  // Of the head.
  std::uint64_t write(protocol::log_entry e);                  // its index
  void to_all(const message& m) const;                         // copies
  void say(std::uint64_t after, const address& to, message m); // when all keep entry `after`
  void hear(const protocol::log_kept& m);
  [[nodiscard]] std::vector<address> behind() const; // copies that something waits for to be said

  // Of a copy: whether the entry is the next one, to be done. It is kept from then on.
  bool follow(const protocol::log_entry& m);

  // Who was asked for its state says it when its blocks are at rest; a head begins no update
  // before.
  void hear(const protocol::want_copy& m);

  [[nodiscard]] bool asked() const { return !askers_.empty(); }

  void answer(const std::map<int, protocol::block_copy>& blocks,
              std::uint64_t revision,
              std::uint64_t staleness);

  // The state to go on from, of so many blocks, when it is here.
  struct state {
    std::uint64_t index = 0;
    incarnation from = 0;
    std::uint64_t revision = 0, staleness = 0;
    std::map<int, protocol::block_copy> blocks;
  };

  std::optional<state> hear(const protocol::holder_copy& m, std::size_t blocks);
  std::optional<state> newest(std::size_t blocks); // of a head that all copies have answered

private:
  std::optional<state> take(state chosen);
  [[nodiscard]] std::uint64_t kept_by_all() const;

  context& world_;
  const std::vector<address> all_;
  const int own_;
  incarnation head_;        // whose log this is
  std::uint64_t index_ = 0; // its newest entry
  bool recovering_;
  std::map<int, incarnation> askers_; // copies

  std::map<int, std::uint64_t> kept_;                                // of the head: by copy
  std::multimap<std::uint64_t, std::pair<address, message>> unsaid_; // by entry

  std::map<int, state> answers_;       // by copy
  std::map<int, incarnation> without_; // copies that have nothing
};

} // namespace troupe
