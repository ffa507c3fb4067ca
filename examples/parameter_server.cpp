// Two workers and two servers, with three rules of consistency; one worker dies on the way.
//   build/release/examples/parameter_server
// prints a line each, and "the same bits" where BSP has the digest of data parallel.
//
// BSP: the workers share each batch. ASP: each has batches of its own, every step is one update,
// applied once and as it comes. SSP(1): as ASP, but nobody is more than one clock ahead.
#include <troupe.hpp>

#include <cstdio>

int main() {
  using namespace troupe;

  const job clothes{.model = lenet(),
                    .data = load_data("fashion-mnist", 1),
                    .optimizer = sgd{.momentum = 0.9F},
                    .learning_rate = {.base = 0.01F},
                    .batch = 64,
                    .microbatches = 2,
                    .steps = 24};
  const auto plain = cluster{}.start(data_parallel(clothes), {.evaluate = false}).wait();
  const planned_kill kill{.who = {.role = role_kind::layer_shard, .replica = 1}, .step = 7};

  std::uint64_t synchronous = 0;
  for (const char* rule : {"BSP", "SSP(1)", "ASP"}) {
    const wiring w =
        parameter_server(clothes, {.workers = 2, .servers = 2, .order = *parse_consistency(rule)});
    const auto result = cluster{}.start(w, {.evaluate = false, .kills = {kill}}).wait();
    std::printf("%s: %lld updates, loss %.2f, lead at most %llu, digest %016llx\n",
                w.name.c_str(),
                static_cast<long long>(result.steps),
                result.train_loss,
                static_cast<unsigned long long>(result.staleness.lead),
                static_cast<unsigned long long>(result.parameter_digest));
    if (!w.order.as_they_come()) synchronous = result.parameter_digest;
  }
  std::printf("%s\n", synchronous == plain.parameter_digest ? "the same bits" : "OTHER BITS");
}
