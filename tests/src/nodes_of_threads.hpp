// A cluster whose nodes are threads of the test: each starts the same wiring, as processes would.
#pragma once

#include "src/small_jobs.hpp"

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace troupe::test {

struct thread_node {
  run_result result;
  std::string failure;
  std::vector<node_event> events;
};

struct nodes_of_threads {
  std::uint32_t count = 2;
  std::string coordinator;                             // where node 0 listens
  std::function<node_place(std::uint32_t node)> place; // empty: all meet at the coordinator
  std::chrono::milliseconds join_within{60'000}, rejoin_within{60'000};
  std::optional<std::chrono::milliseconds> move_after = {};
  int threads = 1; // that compute, of each node
  std::chrono::milliseconds figures_every{1'000};
  mutable std::vector<thread_node> others = {}; // node i + 1, once a run is over

  [[nodiscard]] cluster node(std::uint32_t number) const {
    return {.compute_threads = threads,
            .place = place
                         ? place(number)
                         : node_place{.number = number, .count = count, .coordinator = coordinator},
            .join_within = join_within,
            .rejoin_within = rejoin_within,
            .move_after = move_after,
            .figures_every = figures_every};
  }

  // As play_on(cluster, ...) expects it: node 0 is the caller's.
  struct serving {
    run leading;
    std::vector<std::thread> others;

    run_result wait() {
      struct join_all {
        std::vector<std::thread>& all;

        ~join_all() {
          for (auto& t : all)
            if (t.joinable()) t.join();
        }
      };

      const join_all last{others};
      return leading.wait();
    }
  };

  [[nodiscard]] serving start(const wiring& w, run_options options) const {
    others.assign(count - 1, {});
    std::vector<std::thread> serve_there;
    auto own = options;
    own.observer = {};
    for (std::uint32_t n = 1; n < count; ++n)
      serve_there.emplace_back([this, w, own, n] { serve(w, own, n); });
    try {
      return {node(0).start(w, std::move(options)), std::move(serve_there)};
    } catch (...) {
      for (auto& t : serve_there)
        t.join();
      throw;
    }
  }

private:
  void serve(const wiring& w, run_options options, std::uint32_t number) const {
    thread_node& here = others[number - 1];
    options.observer = [&here](const run_event& e) {
      if (const auto* n = std::get_if<node_event>(&e)) here.events.push_back(*n);
    };
    try {
      here.result = node(number).start(w, std::move(options)).wait();
    } catch (const error& e) {
      here.failure = e.what();
    }
  }
};

} // namespace troupe::test
