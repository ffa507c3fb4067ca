// The board of a lender: memory that the lender and all who borrow from it write. A word of 8 bytes
// for each slot says what became of the loan in it; the first word is the token of the process.
//
//   lender:   free -> lent, lent -> free (taken back, because the link to the borrower has ended)
//   borrower: lent -> taken, taken -> free (returned)
//
// Both of `lent` are compare-and-exchange, so a loan is either taken or taken back.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

namespace troupe::net {

enum class loan_state : std::uint64_t { free, lent, taken };

class loan_board {
public:
  static constexpr std::uint64_t slots = 8192; // of all peers together
  static constexpr std::size_t bytes_needed = (slots + 1) * sizeof(std::uint64_t);

  // REQUIRES: `bytes_needed` of shared memory.
  explicit loan_board(std::span<std::byte> memory)
      : words_(reinterpret_cast<std::uint64_t*>(memory.data())) {}

  [[nodiscard]] std::uint64_t token() const { return word(0).load(); }

  void set_token(std::uint64_t token) const { word(0).store(token); }

  void lend(std::uint64_t slot, std::uint64_t term) const {
    word(slot + 1).store(value(term, loan_state::lent));
  }

  // Whether it was so.
  [[nodiscard]] bool
  change(std::uint64_t slot, std::uint64_t term, loan_state from, loan_state to) const {
    std::uint64_t expected = value(term, from);
    return word(slot + 1).compare_exchange_strong(expected, value(term, to));
  }

  [[nodiscard]] bool is_free(std::uint64_t slot, std::uint64_t term) const {
    return word(slot + 1).load() == value(term, loan_state::free);
  }

private:
  static std::uint64_t value(std::uint64_t term, loan_state state) {
    return term << 2 | static_cast<std::uint64_t>(state);
  }

  [[nodiscard]] std::atomic_ref<std::uint64_t> word(std::uint64_t i) const {
    static_assert(std::atomic_ref<std::uint64_t>::is_always_lock_free, "or processes need a lock");
    return std::atomic_ref(words_[i]);
  }

  std::uint64_t* words_;
};

} // namespace troupe::net
