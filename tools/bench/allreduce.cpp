// How long two processes take to sum a tensor of each, as an all-reduce wiring does it: each gets
// the other's gradients for its half, adds them, and gives the sums back. Links and sums alone,
// without actors, over ipc. One JSON object a line on stdout.
//
//   bench_allreduce [MEGABYTES [REPEATS [--send] [--copy]]]
//
// --send: tensors cross the socket instead of being lent. --copy: the sums of the other half are
// copied into one tensor, beside those of the own half; else they are left where they lie, as
// parameters are.
#include "net/zeromq/node.hpp"
#include "ops/tensor.hpp"

#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace troupe;
using clock_type = std::chrono::steady_clock;

constexpr std::int64_t block_floats = 262'144; // of 1 MB: sums begin before all has come

struct wishes {
  double megabytes = 25;
  int repeats = 7;
  bool lends = true, copies = false;
};

enum class piece : std::uint8_t { gradient, sum };

struct label {
  piece what = piece::gradient;
  std::uint32_t round = 0, block = 0;
};

struct came {
  label what;
  net::parcel content;
};

class rank {
public:
  rank(int number, const std::string& where, const wishes& w) : number_(number), wish_(w) {
    net::node_options o{.number = static_cast<std::uint32_t>(number)};
    o.shares_memory = w.lends;
    if (number == 0)
      o.listen = {where};
    else
      o.dial = {{where, ""}};
    node_ = std::make_unique<net::node>(
        o,
        net::node_callbacks{.on_parcel =
                                [this](const net::node_life&, net::parcel p) {
                                  label what;
                                  std::memcpy(&what, p.body.data(), sizeof what);
                                  note({what, std::move(p)});
                                },
                            .on_up =
                                [this](const net::peer& p) {
                                  const std::lock_guard lock(mutex_);
                                  peer_ = p.who;
                                  changed_.notify_all();
                                }});
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return peer_.life != 0; });
    lock.unlock();
    make_tensors();
  }

  // The last word of a peer says that it has all; then its end is no surprise.
  void finish() { (void)node_->stop(std::chrono::seconds(2)); }

  void reduce() {
    ++round_;
    for (std::uint32_t b = 0; b < blocks_; ++b)
      send({piece::gradient, round_, b}, block_of(1 - number_, b));
    for (std::uint32_t left = 2 * blocks_; left > 0; --left) {
      came one = next();
      if (one.what.what == piece::gradient)
        add(one);
      else if (wish_.copies)
        copy(one);
      else
        sums_[blocks_ + one.what.block] = std::move(one.content);
    }
  }

  [[nodiscard]] bool is_right() const {
    const float wanted = 3;
    if (wish_.copies)
      return std::all_of(all_.begin(), all_.end(), [&](float f) { return f == wanted; });
    return std::all_of(sums_.begin(), sums_.end(), [&](const net::parcel& p) {
      float first = 0;
      std::memcpy(&first, p.payloads[0].bytes.data(), sizeof first);
      return first == wanted;
    });
  }

private:
  void make_tensors() {
    const auto floats = static_cast<std::int64_t>(wish_.megabytes * 1e6 / sizeof(float)) / 32 * 16;
    blocks_ = static_cast<std::uint32_t>((floats + block_floats - 1) / block_floats);
    half_floats_ = floats;
    for (auto& half : gradient_) {
      auto made = buffer_pool::global().take({floats});
      std::fill_n(made.data(), floats, static_cast<float>(1 + number_));
      half = std::move(made).freeze();
    }
    sums_.resize(2 * blocks_);
    if (wish_.copies) all_.resize(static_cast<std::size_t>(2 * floats));
  }

  tensor block_of(int half, std::uint32_t b) const {
    const std::int64_t first = b * block_floats;
    return gradient_[half].flat_range(first, std::min(block_floats, half_floats_ - first));
  }

  void note(came one) {
    {
      const std::lock_guard lock(mutex_);
      queue_.push_back(std::move(one));
    }
    changed_.notify_all();
  }

  // Of this round: the other process may have begun the next.
  came next() {
    std::unique_lock lock(mutex_);
    for (;;) {
      const auto at = std::find_if(
          queue_.begin(), queue_.end(), [&](const came& c) { return c.what.round == round_; });
      if (at != queue_.end()) {
        came out = std::move(*at);
        queue_.erase(at);
        out.content.credit.reset();
        return out;
      }
      changed_.wait(lock);
    }
  }

  void send(label what, const tensor& values) {
    net::parcel p = parcel_of(what, values);
    while (node_->send(peer_, net::lane_kind::bulk, p) == net::sent::congested)
      std::this_thread::yield();
  }

  static net::parcel parcel_of(label what, const tensor& values) {
    net::parcel p;
    p.body.resize(sizeof what);
    std::memcpy(p.body.data(), &what, sizeof what);
    const auto kept = std::make_shared<const tensor>(values);
    p.payloads.push_back({kept, std::as_bytes(kept->values())});
    return p;
  }

  void add(const came& one) {
    const tensor mine = block_of(number_, one.what.block);
    auto sum = buffer_pool::global().take(mine.dims());
    const auto* theirs = reinterpret_cast<const float*>(one.content.payloads[0].bytes.data());
    float* out = sum.data();
    const float* own = mine.data();
    for (std::int64_t i = 0; i < mine.elements(); ++i)
      out[i] = own[i] + theirs[i];
    const label what{piece::sum, round_, one.what.block};
    const tensor done = std::move(sum).freeze();
    send(what, done);
    if (wish_.copies)
      std::memcpy(all_.data() + number_ * half_floats_ + one.what.block * block_floats,
                  done.data(),
                  done.bytes());
    else
      sums_[one.what.block] = parcel_of(what, done);
  }

  void copy(const came& one) {
    const auto& bytes = one.content.payloads[0].bytes;
    std::memcpy(all_.data() + (1 - number_) * half_floats_ + one.what.block * block_floats,
                bytes.data(),
                bytes.size());
  }

  int number_;
  wishes wish_;
  std::mutex mutex_;
  std::condition_variable changed_;
  net::node_life peer_{0, 0};
  std::deque<came> queue_;
  std::uint32_t round_ = 0, blocks_ = 0;
  std::int64_t half_floats_ = 0;
  tensor gradient_[2]; // by half
  std::vector<net::parcel> sums_;
  std::vector<float> all_;
  std::unique_ptr<net::node> node_; // last: it calls back
};

// As many as the other process does.
std::vector<double> milliseconds(rank& r, const wishes& w) {
  const int rounds = std::max(3, static_cast<int>(60 / std::max(w.megabytes, 0.05)));
  for (int i = 0; i < 3; ++i)
    r.reduce();
  std::vector<double> out;
  for (int i = 0; i < w.repeats; ++i) {
    const auto start = clock_type::now();
    for (int j = 0; j < rounds; ++j)
      r.reduce();
    const std::chrono::duration<double, std::milli> time = clock_type::now() - start;
    out.push_back(time.count() / rounds);
  }
  std::sort(out.begin(), out.end());
  return out;
}

wishes wishes_of(int count, char** words) {
  wishes out;
  int number = 0;
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    if (word == "--send")
      out.lends = false;
    else if (word == "--copy")
      out.copies = true;
    else if (number++ == 0)
      out.megabytes = std::atof(words[i]);
    else
      out.repeats = std::max(1, std::atoi(words[i]));
  }
  return out;
}

} // namespace

int main(int count, char** words) {
  const wishes w = wishes_of(count, words);
  const auto where = "ipc://" + (std::filesystem::temp_directory_path() /
                                 fmt::format("troupe-allreduce-{}", ::getpid()))
                                    .string();
  const pid_t child = ::fork(); // before any thread
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    rank one(1, where, w);
    (void)milliseconds(one, w);
    one.finish();
    ::_exit(one.is_right() ? 0 : 1);
  }
  int status = 0;
  {
    rank zero(0, where, w);
    const auto times = milliseconds(zero, w);
    const bool right = zero.is_right();
    zero.finish();
    ::waitpid(child, &status, 0);
    const double median = times[times.size() / 2];
    fmt::print(R"({{"allreduce_megabytes":{},"processes":2,"lent":{},"copied":{},"ms":{:.3f},)"
               R"("min_ms":{:.3f},"right":{}}})"
               "\n",
               w.megabytes,
               w.lends,
               w.copies,
               median,
               times.front(),
               right && status == 0);
    if (!right || status != 0) return 1;
  }
  return 0;
}
