// What fails of itself, again and again: the job ends with a word on what and where, after as many
// restarts as the budget allows and no more, and could be resumed.
#include "src/killed_jobs.hpp"
#include "support/error_of.hpp"
#include "support/scratch_folder.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>

using namespace troupe;
using namespace troupe::test;

namespace {

// fp16, with a hole in it.
class failing_codec final : public codec {
public:
  using failure = std::function<void(const codec_key&)>; // throws where it fails

  explicit failing_codec(failure fails) : fails_(std::move(fails)) {}

  [[nodiscard]] std::string text() const override { return inner_->text(); }

  [[nodiscard]] bool has_residual() const override { return inner_->has_residual(); }

  [[nodiscard]] tensor encode(std::span<const float> gradient,
                              std::span<float> residual,
                              const codec_key& key) const override {
    fails_(key);
    return inner_->encode(gradient, residual, key);
  }

  void decode(const tensor& payload, std::span<float> gradient) const override {
    inner_->decode(payload, gradient);
  }

private:
  std::shared_ptr<const codec> inner_ = make_codec("fp16");
  failure fails_;
};

wiring failing(failing_codec::failure f) {
  auto j = brief_job(6);
  j.compression = std::make_shared<failing_codec>(std::move(f));
  return data_parallel(j, {.replicas = 2});
}

// Live and in virtual time.
void for_each_world(
    const std::function<void(const std::function<run(const wiring&, run_options)>&)>& f) {
  SUBCASE("live") {
    f([](const wiring& w, run_options o) { return cluster{}.start(w, std::move(o)); });
  }
  SUBCASE("simulated") {
    f([](const wiring& w, run_options o) { return quiet().start(w, std::move(o)); });
  }
}

// So that a storm takes no half a minute.
void make_quick(supervisor_spec& s) {
  s.backoff.most = std::chrono::milliseconds(20);
  for (auto& child : s.children) {
    if (!child.below) continue;
    auto below = *child.below;
    make_quick(below);
    child.below = std::make_shared<const supervisor_spec>(std::move(below));
  }
}

std::string error_text_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const error& e) {
    return e.what();
  }
  return "no error";
}

} // namespace

TEST_CASE("a poisoned microbatch ends the job after two tries, with its key") {
  for_each_world([](const auto& start) {
    std::atomic<int> tries{0};
    const auto w = failing([&](const codec_key& key) {
      if (key.step != 3 || key.first_microbatch != 2) return;
      ++tries;
      throw std::runtime_error("no such luck");
    });
    const scratch_folder saved;
    const auto text = error_text_of([&] {
      start(w, {.checkpoint_folder = saved.path(), .checkpoint_every = 1, .evaluate = false})
          .wait();
    });
    INFO(text);
    CHECK(text.find("layer_shard/1") != std::string::npos);
    CHECK(text.find("backward of microbatch 2 of step 3") != std::string::npos);
    CHECK(text.find("no such luck") != std::string::npos);
    CHECK(tries == 2);
  });
}

TEST_CASE("a storm of failures ends, and its actor is restarted as often as the budget says") {
  for_each_world([](const auto& start) {
    std::atomic<int> tries{0};
    const auto w = failing([&](const codec_key& key) {
      if (key.step < 2 || key.first_microbatch < 2) return;
      throw std::runtime_error(fmt::format("failure {}", ++tries));
    });
    auto tree = default_supervision(w);
    make_quick(tree.root);
    const auto text =
        error_text_of([&] { start(w, {.evaluate = false, .supervision = tree}).wait(); });
    INFO(text);
    CHECK(text.find("layer_shard/1") != std::string::npos);
    CHECK(text.find("more than 14 times in a row") != std::string::npos);
    CHECK(tries == 15);
  });
}
