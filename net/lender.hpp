// Payloads that need not cross a connection: tensors lie in memory that the processes of this
// machine can map (ops/shared_memory), so a frame says where, and the peer reads them there. What
// is lent stays as it is until its borrower returns it, or is dead. A link that ends takes back
// what the peer has not taken. What has been taken is not: the peer may be at work with it, even if
// it was silent for so long that it was given up.
//
// One for all nodes of a process; any thread may call. docs/decisions/0032 says why so.
#pragma once

#include "net/frame.hpp"
#include "net/introduction.hpp"
#include "net/loan_board.hpp"
#include "ops/shared_memory.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

namespace troupe::net {

class lender {
public:
  struct limits {
    std::size_t bytes_max = std::size_t{1} << 30; // that one borrower has not returned
    std::size_t bytes_min = 1024;                 // what is smaller is sent
  };

  // Of this process; null where its memory cannot be shared.
  static std::shared_ptr<lender> of_process();

  lender(std::shared_ptr<const shared_memory> memory,
         std::shared_ptr<shared_memory> board,
         limits most);
  ~lender();
  lender(const lender&) = delete;
  lender& operator=(const lender&) = delete;

  [[nodiscard]] memory_name name() const;

  // Nothing: it lies elsewhere, or too much is lent already. `from` is of this process, which may
  // have several nodes. REQUIRES: `to`, a life in the process `where`, said that it borrows.
  std::optional<loan>
  lend(const node_life& from, const node_life& to, const process_name& where, const payload& what);
  void ended(const node_life& from, const node_life& to); // the link between them
  void collect();                                         // lets go of what was returned

  [[nodiscard]] std::size_t loans() const; // not returned

private:
  struct account { // of a borrower
    int process = -1;
    bool ended = false;
    std::size_t loans = 0, bytes = 0;
  };

  // Both ends of a link.
  using link_key = std::tuple<std::uint32_t, std::uint64_t, std::uint32_t, std::uint64_t>;

  struct entry { // of a slot
    payload what;
    link_key over;
    std::uint64_t term = 0;
  };

  [[nodiscard]] std::optional<std::uint64_t> offset_of(const payload& what) const;
  account* account_of(const link_key& over, const process_name& where);
  void collect_returned();
  void collect_of_dead();
  void settle(std::uint64_t slot);

  std::shared_ptr<const shared_memory> memory_;
  std::shared_ptr<shared_memory> board_memory_;
  loan_board board_;
  std::uint64_t token_;
  limits most_;
  mutable std::mutex mutex_;
  std::map<link_key, account> accounts_;
  std::vector<entry> slots_;
  std::vector<std::uint64_t> free_, out_; // slots
};

} // namespace troupe::net
