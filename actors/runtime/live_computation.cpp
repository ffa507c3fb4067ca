#include "actors/runtime/live_computation.hpp"

#include "actors/message_facts.hpp"

#include <deque>
#include <exception>
#include <mutex>
#include <optional>
#include <utility>

namespace troupe {

namespace {

// Tells the observer what was computed, each time when it is done. (Nobody looks on: nothing.)
class work_watch {
public:
  explicit work_watch(const asked_computation& asked)
      : site_(asked.site), work_{.who = asked.who, .step = asked.step} {}

  work_watch(const work_watch&) = delete;
  work_watch& operator=(const work_watch&) = delete;

  ~work_watch() { close(); }

  void begin(const work& what) {
    if (site_.watcher() == nullptr) return;
    close();
    work_.what = what;
    work_.from = site_.now();
    open_ = true;
  }

private:
  void close() {
    if (!std::exchange(open_, false)) return;
    work_.until = site_.now();
    site_.watcher()->computed(work_);
  }

  const computation_site& site_;
  computed_work work_;
  bool open_ = false;
};

class live_computation : public computation {
public:
  explicit live_computation(const asked_computation& asked) : asked_(asked), watch_(asked) {}

  void begin(const work& what) override {
    get_further();
    doing_ = what;
    watch_.begin(what);
  }

  [[nodiscard]] const std::optional<work>& doing() const { return doing_; }

  disk& files() override { return asked_.site.files(); }

  void post(message m) override {
    get_further();
    if (!asked_.flag->over && !asked_.flag->doing->is_given_up())
      asked_.site.say(asked_.who, asked_.life, std::move(m));
  }

  [[nodiscard]] const std::atomic<bool>& cancelled() const override { return asked_.flag->over; }

protected:
  void get_further() const { asked_.flag->doing->computes(0); }

  const asked_computation& asked_;

private:
  std::optional<work> doing_;
  work_watch watch_;
};

// A computation of a slow actor: what it says after t is heard after factor x t, in the order in
// which it was said. The last thing that a kernel says is that it is done, so its actor is as slow.
class slow_computation final : public live_computation {
public:
  using live_computation::live_computation;

  void post(message m) override {
    get_further();
    const auto late = (asked_.factor - 1) * (std::chrono::steady_clock::now() - began_);
    {
      const std::lock_guard lock(queue_->mutex);
      queue_->said.push_back(std::move(m));
    }
    // Timers that are due together run at once on several threads: each brings the next in order.
    asked_.site.later(std::chrono::duration_cast<std::chrono::nanoseconds>(late),
                      [asked = asked_, queue = queue_] {
                        const std::lock_guard lock(queue->mutex);
                        if (!asked.flag->over)
                          asked.site.say(asked.who, asked.life, std::move(queue->said.front()));
                        queue->said.pop_front();
                      });
  }

private:
  struct queue {
    std::mutex mutex;
    std::deque<message> said;
  };

  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  std::shared_ptr<queue> queue_ = std::make_shared<queue>();
};

template <class Computation>
void carry_out_as(const std::function<void(computation&)>& job, const asked_computation& asked) {
  const int counted = asked.of_files ? 0 : 1;
  asked.flag->doing->computes(counted);
  Computation here(asked);
  try {
    job(here);
  } catch (const std::exception& e) {
    here.post(failure_of(e, here.doing(), asked.step));
  }
  asked.flag->doing->computes(-counted);
}

} // namespace

void carry_out(const std::function<void(computation&)>& job, const asked_computation& asked) {
  if (asked.flag->over) return;
  if (asked.factor > 1)
    carry_out_as<slow_computation>(job, asked);
  else
    carry_out_as<live_computation>(job, asked);
}

} // namespace troupe
