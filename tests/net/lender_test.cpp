#include "net/lender.hpp"

#include "net/archive.hpp"
#include "net/borrower.hpp"
#include "support/scratch_folder.hpp"
#include "support/shared_tensors.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <functional>
#include <limits>
#include <string>
#include <vector>

namespace {

using namespace troupe::net;
using troupe::test::first_float;
using troupe::test::new_lender;
using troupe::test::shared_payload;

constexpr node_life me{0, 11}, peer{1, 22}, other{2, 33};

std::string trouble(const std::function<void()>& what) {
  try {
    what();
    return "";
  } catch (const malformed& e) {
    return e.what();
  }
}

// A process that borrows what it is told, and is at work with it until it is killed.
class working_process {
public:
  explicit working_process(const lender& from) {
    if (::pipe(to_.data()) != 0 || ::pipe(from_.data()) != 0) return;
    pid_ = ::fork();
    if (pid_ == 0) work({this_process().machine, static_cast<std::uint32_t>(::getppid())}, from);
  }

  working_process(const working_process&) = delete;
  working_process& operator=(const working_process&) = delete;

  ~working_process() {
    kill();
    for (const int end : {to_[0], to_[1], from_[0], from_[1]})
      ::close(end);
  }

  [[nodiscard]] process_name name() const {
    return {this_process().machine, static_cast<std::uint32_t>(pid_)};
  }

  // What it read there.
  [[nodiscard]] float take(const loan& what) const {
    float out = -1;
    (void)!::write(to_[1], &what, sizeof what);
    (void)!::read(from_[0], &out, sizeof out);
    return out;
  }

  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(std::exchange(pid_, 0), nullptr, 0);
  }

private:
  [[noreturn]] void work(const process_name& parent, const lender& from) const {
    const auto memory = borrower::open(parent, from.name());
    std::vector<payload> held;
    for (loan told; memory && ::read(to_[0], &told, sizeof told) == sizeof told;) {
      const auto taken = memory->take(told);
      const float said = taken ? first_float(*taken) : -2;
      if (taken) held.push_back(*taken);
      (void)!::write(from_[1], &said, sizeof said);
    }
    ::_exit(1);
  }

  pid_t pid_ = 0;
  std::array<int, 2> to_{}, from_{};
};

TEST_CASE("what is lent is read where it lies, and comes back with the last copy of its owner") {
  const auto from = new_lender();
  const auto memory = borrower::open(this_process(), from->name());
  REQUIRE(memory);
  std::weak_ptr<const void> kept;
  std::optional<loan> lent;
  {
    const payload p = shared_payload(1000, 7);
    kept = p.owner;
    lent = from->lend(me, peer, this_process(), p);
    REQUIRE(lent);
    auto taken = memory->take(*lent);
    REQUIRE(taken);
    CHECK(taken->bytes.size() == 4000);
    CHECK(taken->bytes.data() != p.bytes.data());
    CHECK(first_float(*taken) == 7);
    const payload copy = *taken;
    taken.reset();
    from->collect();
    CHECK(from->loans() == 1);
  }
  CHECK_FALSE(kept.expired());
  from->collect();
  CHECK(from->loans() == 0);
  CHECK(kept.expired());
}

TEST_CASE("what lies elsewhere, is small, or is too much for one borrower is not lent") {
  const auto from = new_lender({.bytes_max = 10'000, .bytes_min = 1000});
  const auto floats = std::make_shared<std::vector<float>>(1000);
  CHECK_FALSE(from->lend(me, peer, this_process(), {floats, std::as_bytes(std::span(*floats))}));
  CHECK_FALSE(from->lend(me, peer, this_process(), shared_payload(249, 1)));
  CHECK(from->lend(me, peer, this_process(), shared_payload(250, 1)));
  CHECK(from->lend(me, peer, this_process(), shared_payload(2250, 1)));
  CHECK_FALSE(from->lend(me, peer, this_process(), shared_payload(250, 1)));
  CHECK(from->lend(me, other, this_process(), shared_payload(250, 1)));
}

TEST_CASE("a board that is full lends again when something is returned") {
  const auto from = new_lender();
  const auto memory = borrower::open(this_process(), from->name());
  REQUIRE(memory);
  const payload p = shared_payload(256, 1);
  std::vector<loan> lent;
  while (const auto one = from->lend(me, peer, this_process(), p))
    lent.push_back(*one);
  CHECK(lent.size() == loan_board::slots);
  (void)memory->take(lent[100]);
  CHECK(from->lend(me, peer, this_process(), p));
  CHECK_FALSE(from->lend(me, peer, this_process(), p));
}

TEST_CASE("a loan is taken once, and not when its slot is used again") {
  const auto from = new_lender();
  const auto memory = borrower::open(this_process(), from->name());
  REQUIRE(memory);
  const auto first = from->lend(me, peer, this_process(), shared_payload(256, 1));
  REQUIRE(first);
  CHECK(memory->take(*first));
  CHECK_FALSE(memory->take(*first));
  const auto second = from->lend(me, peer, this_process(), shared_payload(256, 2));
  REQUIRE(second);
  CHECK(second->slot == first->slot);
  CHECK_FALSE(memory->take(*first));
  CHECK(memory->take(*second));
}

TEST_CASE("a link that ends takes back what was not taken, and waits for what was") {
  const auto from = new_lender();
  const auto memory = borrower::open(this_process(), from->name());
  REQUIRE(memory);
  const auto taken_loan = from->lend(me, peer, this_process(), shared_payload(256, 1));
  const auto late = from->lend(me, peer, this_process(), shared_payload(256, 2));
  const auto of_other = from->lend(me, other, this_process(), shared_payload(256, 3));
  auto taken = memory->take(*taken_loan);
  from->ended(me, peer);
  CHECK(from->loans() == 2);
  CHECK_FALSE(memory->take(*late));
  CHECK(memory->take(*of_other));
  CHECK(first_float(*taken) == 1);
  taken.reset();
  from->collect();
  CHECK(from->loans() == 0);
}

TEST_CASE("what one node of a process lent stays lent when the link of another one ends") {
  const auto from = new_lender();
  const auto memory = borrower::open(this_process(), from->name());
  REQUIRE(memory);
  const auto loan = from->lend(me, peer, this_process(), shared_payload(256, 1));
  CHECK(from->lend(other, peer, this_process(), shared_payload(256, 2)));
  from->ended(other, peer);
  CHECK(memory->take(*loan));
}

TEST_CASE("a link that begins again after it ended lends again") {
  const auto from = new_lender();
  const auto memory = borrower::open(this_process(), from->name());
  REQUIRE(memory);
  const auto before = memory->take(*from->lend(me, peer, this_process(), shared_payload(256, 1)));
  from->ended(me, peer);
  const auto again = from->lend(me, peer, this_process(), shared_payload(256, 2));
  REQUIRE(again);
  CHECK(memory->take(*again));
  CHECK(first_float(*before) == 1);
  from->collect();
  CHECK(from->loans() == 1);
}

TEST_CASE("a process that is killed at work with what it borrowed leaves nothing lent") {
  const auto from = new_lender();
  working_process there(*from);
  const auto lent = from->lend(me, peer, there.name(), shared_payload(256, 5));
  const auto on_its_way = from->lend(me, peer, there.name(), shared_payload(256, 6));
  REQUIRE(lent);
  REQUIRE(on_its_way);
  CHECK(there.take(*lent) == 5);
  from->collect();
  CHECK(from->loans() == 2);
  there.kill();
  from->ended(me, peer);
  CHECK(from->loans() == 0);
}

TEST_CASE("a process that is given up while it is at work keeps what it took until it dies") {
  const auto from = new_lender();
  working_process there(*from);
  const auto lent = from->lend(me, peer, there.name(), shared_payload(256, 5));
  CHECK(there.take(*lent) == 5);
  from->ended(me, peer);
  from->collect();
  CHECK(from->loans() == 1);
  there.kill();
  from->collect();
  CHECK(from->loans() == 0);
}

TEST_CASE("what a lender that is dead has lent can still be read") {
  const auto from = new_lender(); // its memory ends with the last who has it mapped
  std::array<int, 2> ends{};
  REQUIRE(::pipe(ends.data()) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    struct {
      memory_name name;
      loan what;
    } said;

    const auto its = new_lender();
    said = {its->name(), *its->lend(me, peer, this_process(), shared_payload(256, 9))};
    (void)!::write(ends[1], &said, sizeof said);
    for (;;)
      ::pause();
  }

  struct {
    memory_name name;
    loan what;
  } heard;

  REQUIRE(::read(ends[0], &heard, sizeof heard) == sizeof heard);
  const auto memory =
      borrower::open({this_process().machine, static_cast<std::uint32_t>(child)}, heard.name);
  REQUIRE(memory);
  const auto taken = memory->take(heard.what);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  REQUIRE(taken);
  CHECK(first_float(*taken) == 9);
  CHECK_FALSE(
      borrower::open({this_process().machine, static_cast<std::uint32_t>(child)}, heard.name));
}

TEST_CASE("places beyond the memory that is lent are refused") {
  const auto from = new_lender();
  const auto memory = borrower::open(this_process(), from->name());
  REQUIRE(memory);
  const auto good = from->lend(me, peer, this_process(), shared_payload(256, 1));
  REQUIRE(good);
  constexpr auto most = std::numeric_limits<std::uint64_t>::max();
  const std::uint64_t end = troupe::buffer_pool::global().share()->bytes().size();
  for (const auto& [offset, size] : std::vector<std::pair<std::uint64_t, std::uint64_t>>{
           {end, 1}, {end - 1023, 1024}, {most, 1024}, {most - 1023, 1024}, {0, most}, {1, end}}) {
    loan bad = *good;
    bad.offset = offset;
    bad.size = size;
    CHECK(trouble([&] { (void)memory->take(bad); }) == "a loan beyond the memory that is lent");
  }
  for (const std::uint64_t slot : {loan_board::slots, most}) {
    loan bad = *good;
    bad.slot = slot;
    CHECK(trouble([&] { (void)memory->take(bad); }) == "a loan of no slot");
  }
  CHECK(memory->take(*good)); // nothing of that used it up
}

TEST_CASE("nothing is read of a process that is not who it says, or not here") {
  const auto from = new_lender();
  const process_name here = this_process();
  const memory_name good = from->name();
  REQUIRE(borrower::open(here, good));
  const troupe::test::scratch_folder folder;
  const int file = ::open(folder.file("memory").c_str(), O_RDWR | O_CREAT, 0600);
  REQUIRE(::ftruncate(file, 1 << 20) == 0);
  std::array<int, 2> ends{};
  REQUIRE(::pipe(ends.data()) == 0);
  const auto small = troupe::shared_memory::make(64, troupe::shared_memory::writers::all);
  const auto number = [](int descriptor) { return static_cast<std::uint32_t>(descriptor); };
  CHECK_FALSE(borrower::open(here, {}));
  CHECK_FALSE(borrower::open(here, {good.token + 1, good.memory, good.board}));
  CHECK_FALSE(borrower::open({here.machine + 1, here.number}, good));
  CHECK_FALSE(borrower::open({0, here.number}, good));
  CHECK_FALSE(borrower::open({here.machine, 0xFFFFFFF0}, good));
  CHECK_FALSE(borrower::open({here.machine, 1}, good)); // another process
  for (const int wrong : {file, ends[0], ends[1], 0x7FFFFFFF, small->descriptor()})
    CHECK_FALSE(borrower::open(here, {good.token, good.memory, number(wrong)}));
  for (const int wrong : {file, ends[0], 0x7FFFFFFF})
    CHECK_FALSE(borrower::open(here, {good.token, number(wrong), good.board}));
  ::close(file);
  ::close(ends[0]);
  ::close(ends[1]);
}

} // namespace
