// Pipelines without kernels: parts that need each other, stages that follow their lists or their
// credit, and credits that change at any moment and are heard of at another.
#include "actors/depth_credit.hpp"

#include "support/random_wirings.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>
#include <vector>

using namespace troupe;
using namespace troupe::test;

namespace {

class pipeline_without_kernels {
public:
  pipeline_without_kernels(chance& c, schedule s)
      : chance_(c), schedule_(std::move(s)), needs_(static_cast<std::size_t>(schedule_.parts)) {
    for (const auto& list : schedule_.per_stage)
      stages_.push_back({depth_credit(list), std::vector<bool>(list.size(), false), {}, {}});
    // Any part that comes before may be needed: residual connections, slices side by side.
    for (int p = 1; p < schedule_.parts; ++p)
      for (int n = c.between(1, 2); n > 0; --n)
        needs_[static_cast<std::size_t>(p)].insert(c.between(0, p - 1));
  }

  // Sets credits up to `changes` times, and ends with those of the last.
  void run(int changes) {
    for (;;) {
      if (changes > 0 && chance_.percent(10)) {
        --changes;
        set();
      }
      std::vector<std::function<void()>> can;
      for (auto& s : stages_) {
        if (!s.unheard.empty()) can.push_back([&] { hear(s); });
        if (const auto run = due(s); !run.empty()) can.push_back([this, &s, run] { go(s, run); });
      }
      if (can.empty()) return;
      can[static_cast<std::size_t>(chance_.between(0, int(can.size()) - 1))]();
    }
  }

  [[nodiscard]] bool finished() const {
    return std::all_of(stages_.begin(), stages_.end(), [](const stage& s) {
      return std::count(s.computed.begin(), s.computed.end(), false) == 0;
    });
  }

  [[nodiscard]] bool kept() const { return kept_; }

private:
  struct stage {
    depth_credit credit;
    std::vector<bool> computed;
    std::vector<std::uint64_t> unheard;
    std::map<int, std::uint64_t> in_flight;
  };

  void set() {
    const bool lists = chance_.percent(30);
    for (std::size_t s = 0; s < stages_.size(); ++s)
      stages_[s].unheard.push_back(
          lists ? 0 : static_cast<std::uint64_t>(chance_.percent(50) ? 1 : chance_.between(1, 4)));
  }

  static void hear(stage& s) {
    s.credit.set(s.unheard.front());
    s.unheard.erase(s.unheard.begin());
  }

  const std::vector<schedule_op>& list_of(const stage& s) const {
    return schedule_.per_stage[static_cast<std::size_t>(&s - stages_.data())];
  }

  [[nodiscard]] bool has_inputs(const stage& s, std::size_t i) const {
    const auto& op = list_of(s)[i];
    if (op.kind == op_kind::forward)
      return std::all_of(needs_[static_cast<std::size_t>(op.part)].begin(),
                         needs_[static_cast<std::size_t>(op.part)].end(),
                         [&](int p) {
                           return forward_.contains({p, op.microbatch});
                         });
    if (op.kind == op_kind::backward_weights) return true;
    for (int p = op.part + 1; p < schedule_.parts; ++p)
      if (needs_[static_cast<std::size_t>(p)].contains(op.part) &&
          !gradient_.contains({p, op.microbatch}))
        return false;
    return true;
  }

  // As a layer shard does.
  [[nodiscard]] std::vector<std::size_t> due(const stage& s) const {
    if (s.credit.value() > 0) {
      for (const auto i : s.credit.candidates(s.computed))
        if (has_inputs(s, i)) return s.credit.run_of(i);
      return {};
    }
    const auto next = static_cast<std::size_t>(
        std::find(s.computed.begin(), s.computed.end(), false) - s.computed.begin());
    if (next == s.computed.size() || !has_inputs(s, next)) return {};
    return {next};
  }

  void go(stage& s, const std::vector<std::size_t>& run) {
    for (const auto i : run) {
      const auto& op = list_of(s)[i];
      s.computed[i] = true;
      auto& now = s.in_flight[op.part];
      if (op.kind == op_kind::forward) {
        forward_.insert({op.part, op.microbatch});
        kept_ = kept_ && ++now <= s.credit.bound(op.part, s.credit.value());
      } else if (op.kind != op_kind::backward_input) {
        --now;
      }
      if (op.kind == op_kind::backward || op.kind == op_kind::backward_input)
        gradient_.insert({op.part, op.microbatch});
    }
  }

  chance& chance_;
  schedule schedule_;
  std::vector<std::set<int>> needs_; // by part
  std::vector<stage> stages_;
  std::set<std::pair<int, std::uint32_t>> forward_, gradient_;
  bool kept_ = true;
};

schedule drawn(chance& c) {
  const int stages = c.between(1, 5), chunks = c.between(1, 3);
  const auto microbatches = static_cast<std::uint32_t>(c.between(1, 7));
  switch (c.between(0, 4)) {
  case 0:
    return gpipe(stages, microbatches);
  case 1:
    return one_f_one_b(stages, microbatches);
  case 2:
    return interleaved(stages, stages * chunks, microbatches);
  case 3:
    return zero_bubble(stages, microbatches);
  default:
    return random_schedule(c, stages, stages * chunks, microbatches, c.one_of({0, 50, 100}), true);
  }
}

} // namespace

TEST_CASE("whatever the credit and whenever it changes, every schedule ends and keeps it") {
  for (std::uint64_t seed = 1; seed <= 5000; ++seed) {
    CAPTURE(seed);
    chance c(seed);
    const auto s = drawn(c);
    CAPTURE(text(s));
    pipeline_without_kernels p(c, s);
    p.run(c.between(0, 4));
    REQUIRE(p.finished());
    REQUIRE(p.kept());
  }
}

TEST_CASE("what a schedule keeps is what its programs are made for") {
  const auto kept = [](const schedule& s, std::size_t stage, int part) {
    return depth_credit::kept_by(s.per_stage[stage]).at(part);
  };
  CHECK(kept(gpipe(3, 5), 0, 0) == 5);
  for (std::size_t stage = 0; stage < 3; ++stage)
    CHECK(kept(one_f_one_b(3, 8), stage, static_cast<int>(stage)) == 3 - stage);
  for (const auto& s : {interleaved(2, 4, 6), zero_bubble(3, 6)}) {
    const auto peaks = peak_activations_of_parts(s);
    for (int part = 0; part < s.parts; ++part)
      CHECK(int(kept(s, static_cast<std::size_t>(part % s.stages), part)) ==
            peaks[static_cast<std::size_t>(part)]);
  }
}
