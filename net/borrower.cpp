#include "net/borrower.hpp"

#include "net/archive.hpp"
#include "net/processes.hpp"
#include "ops/shared_memory.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

namespace troupe::net {

namespace {

// Empty if it is no sealed memory of this user's.
std::span<std::byte> map(const process_name& of, std::uint32_t descriptor, int access) {
  const std::string path =
      "/proc/" + std::to_string(of.number) + "/fd/" + std::to_string(descriptor);

  struct stat what {};

  if (::stat(path.c_str(), &what) != 0 || !S_ISREG(what.st_mode) || what.st_uid != ::geteuid())
    return {};
  const int file = ::open(path.c_str(), access | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (file < 0) return {};
  const int seals = ::fcntl(file, F_GET_SEALS);
  std::span<std::byte> out;
  if (seals >= 0 && (seals & F_SEAL_SHRINK) != 0 && ::fstat(file, &what) == 0 && what.st_size > 0)
    out = map_shared(file, static_cast<std::size_t>(what.st_size), access != O_RDONLY);
  ::close(file);
  return out;
}

void unmap(std::span<std::byte> memory) {
  if (!memory.empty()) ::munmap(memory.data(), memory.size());
}

} // namespace

std::shared_ptr<const borrower> borrower::open(const process_name& of, const memory_name& what) {
  if (what.token == 0 || of.machine == 0 || of.machine != this_process().machine) return nullptr;
  const auto board = map(of, what.board, O_RDWR);
  const bool is_it =
      board.size() >= loan_board::bytes_needed && loan_board(board).token() == what.token;
  const auto memory = is_it ? map(of, what.memory, O_RDONLY) : std::span<std::byte>();
  if (!memory.empty()) return std::make_shared<const borrower>(memory, board);
  unmap(board);
  return nullptr;
}

borrower::borrower(std::span<std::byte> memory, std::span<std::byte> board)
    : memory_(memory), board_memory_(board), board_(board) {}

borrower::~borrower() {
  unmap(memory_);
  unmap(board_memory_);
}

std::optional<payload> borrower::take(const loan& what) const {
  if (what.slot >= loan_board::slots) throw malformed("a loan of no slot");
  if (what.offset > memory_.size() || what.size > memory_.size() - what.offset)
    throw malformed("a loan beyond the memory that is lent");
  if (!board_.change(what.slot, what.term, loan_state::lent, loan_state::taken)) return {};

  struct returned_at_its_end {
    std::shared_ptr<const borrower> from;
    std::uint64_t slot, term;

    returned_at_its_end(std::shared_ptr<const borrower> f, const loan& l)
        : from(std::move(f)), slot(l.slot), term(l.term) {}

    returned_at_its_end(const returned_at_its_end&) = delete;
    returned_at_its_end& operator=(const returned_at_its_end&) = delete;

    ~returned_at_its_end() {
      (void)from->board_.change(slot, term, loan_state::taken, loan_state::free);
    }
  };

  return payload{std::make_shared<const returned_at_its_end>(shared_from_this(), what),
                 memory_.subspan(what.offset, what.size)};
}

} // namespace troupe::net
