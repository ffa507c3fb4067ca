#include "net/lender.hpp"

#include "net/processes.hpp"
#include "ops/assert.hpp"
#include "ops/tensor.hpp"

#include <poll.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

namespace troupe::net {

namespace {

// Nothing that is computed depends on it.
std::uint64_t draw_token() {
  std::uint64_t out = 0;
  while (out == 0)
    TROUPE_ASSERT(::getrandom(&out, sizeof out, 0) == sizeof out, "the system has no entropy");
  return out;
}

std::shared_ptr<lender> make() {
  auto memory = buffer_pool::global().share();
  auto board = shared_memory::make(loan_board::bytes_needed, shared_memory::writers::all);
  if (!memory || !board || this_process().machine == 0) return nullptr;
  return std::make_shared<lender>(std::move(memory), std::move(board), lender::limits{});
}

bool has_ended(int process) {
  pollfd asked{.fd = process, .events = POLLIN, .revents = 0};
  return ::poll(&asked, 1, 0) == 1;
}

} // namespace

std::shared_ptr<lender> lender::of_process() {
  static std::mutex mutex;
  static std::map<pid_t, std::shared_ptr<lender>> made;
  const std::lock_guard lock(mutex);
  const auto [at, is_new] = made.try_emplace(::getpid()); // a child is another process
  if (is_new) at->second = make();
  return at->second;
}

lender::lender(std::shared_ptr<const shared_memory> memory,
               std::shared_ptr<shared_memory> board,
               limits most)
    : memory_(std::move(memory)),
      board_memory_(std::move(board)),
      board_(board_memory_->bytes()),
      token_(draw_token()),
      most_(most),
      slots_(loan_board::slots) {
  board_.set_token(token_);
  for (std::uint64_t slot = loan_board::slots; slot > 0; --slot)
    free_.push_back(slot - 1); // the first is used first
}

lender::~lender() {
  for (const auto& [life, a] : accounts_)
    ::close(a.process);
}

memory_name lender::name() const {
  return {token_,
          static_cast<std::uint32_t>(memory_->descriptor()),
          static_cast<std::uint32_t>(board_memory_->descriptor())};
}

std::optional<std::uint64_t> lender::offset_of(const payload& what) const {
  const auto all = memory_->bytes();
  const auto begin = reinterpret_cast<std::uintptr_t>(all.data());
  const auto at = reinterpret_cast<std::uintptr_t>(what.bytes.data());
  if (at < begin || at >= begin + all.size()) return {};
  return at - begin;
}

lender::account* lender::account_of(const link_key& over, const process_name& where) {
  account& a = accounts_[over];
  if (a.process < 0)
    a.process = static_cast<int>(::syscall(SYS_pidfd_open, static_cast<pid_t>(where.number), 0));
  if (a.process < 0) { // it has ended, or nobody will tell when it does
    accounts_.erase(over);
    return nullptr;
  }
  a.ended = false;
  return &a;
}

std::optional<loan> lender::lend(const node_life& from,
                                 const node_life& to,
                                 const process_name& where,
                                 const payload& what) {
  const auto offset = offset_of(what);
  if (!offset || what.bytes.size() < most_.bytes_min) return {};
  const std::lock_guard lock(mutex_);
  collect_returned();
  account* a = account_of({from.node, from.life, to.node, to.life}, where);
  if (a == nullptr || free_.empty() || a->bytes + what.bytes.size() > most_.bytes_max) return {};
  const std::uint64_t slot = free_.back();
  free_.pop_back();
  out_.push_back(slot);
  entry& e = slots_[slot];
  e.what = {what.owner, what.bytes};
  e.over = {from.node, from.life, to.node, to.life};
  ++a->loans;
  a->bytes += what.bytes.size();
  board_.lend(slot, ++e.term);
  return loan{slot, e.term, *offset, what.bytes.size()};
}

void lender::settle(std::uint64_t slot) {
  entry& e = slots_[slot];
  account& a = accounts_.at(e.over);
  --a.loans;
  a.bytes -= e.what.bytes.size();
  e.what = {};
  free_.push_back(slot);
}

void lender::collect_returned() {
  std::erase_if(out_, [this](std::uint64_t slot) {
    if (!board_.is_free(slot, slots_[slot].term)) return false;
    settle(slot);
    return true;
  });
}

// Of those whose link has ended; the others are about to be.
void lender::collect_of_dead() {
  std::erase_if(accounts_, [this](const auto& one) {
    const auto& [over, a] = one;
    if (!a.ended || (a.loans > 0 && !has_ended(a.process))) return false;
    std::erase_if(out_, [&, which = over](std::uint64_t slot) {
      if (slots_[slot].over != which) return false;
      settle(slot);
      return true;
    });
    ::close(a.process);
    return true;
  });
}

void lender::ended(const node_life& from, const node_life& to) {
  const std::lock_guard lock(mutex_);
  const auto at = accounts_.find({from.node, from.life, to.node, to.life});
  if (at == accounts_.end()) return;
  at->second.ended = true;
  for (const std::uint64_t slot : out_)
    if (slots_[slot].over == at->first)
      (void)board_.change(slot, slots_[slot].term, loan_state::lent, loan_state::free);
  collect_returned();
  collect_of_dead();
}

void lender::collect() {
  const std::lock_guard lock(mutex_);
  if (accounts_.empty()) return;
  collect_returned();
  collect_of_dead();
}

std::size_t lender::loans() const {
  const std::lock_guard lock(mutex_);
  return out_.size();
}

} // namespace troupe::net
