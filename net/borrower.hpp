// Reads what another process of this machine lends (net/lender). The memory is mapped once, and
// cannot become smaller. It is not copied: its owner could change what it lent, and so can any
// process of the same user with the memory of another. Only sizes and places are not believed.
#pragma once

#include "net/introduction.hpp"
#include "net/loan_board.hpp"

#include <cstddef>
#include <memory>
#include <optional>
#include <span>

namespace troupe::net {

class borrower : public std::enable_shared_from_this<borrower> {
public:
  // Null if the process is of another machine, container or user, or is not who it says.
  static std::shared_ptr<const borrower> open(const process_name& of, const memory_name& what);

  borrower(std::span<std::byte> memory, std::span<std::byte> board); // mapped; takes both over
  ~borrower();
  borrower(const borrower&) = delete;
  borrower& operator=(const borrower&) = delete;

  // Returned when the last copy of its owner goes. Nothing: it was taken back. Throws malformed.
  [[nodiscard]] std::optional<payload> take(const loan& what) const;

private:
  std::span<std::byte> memory_, board_memory_;
  loan_board board_;
};

} // namespace troupe::net
