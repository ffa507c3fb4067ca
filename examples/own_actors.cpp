// Actors of your own under a supervision tree: workers square numbers for a clerk, who adds them
// up. Each worker is killed, and no number is lost: what is not done is asked for again.
//   build/release/examples/own_actors
// prints the tree, whose second life began, and "the sum of 1000 squares is 333833500".
#include <troupe.hpp>

#include <cstdio>
#include <future>
#include <latch>

using namespace troupe;

struct number { // 0: a worker has nothing to do
  long value = 0, square = 0;
  std::string who = {}; // has squared it
};

struct worker : own_actor_of<worker, number> {
  explicit worker(own_context& c) : here(c) {}

  void started() override { on(number{}); }

  void on(const number& n) { here.send("clerk", number{n.value, n.value * n.value, here.id()}); }

  own_context& here;
};

struct clerk : own_actor_of<clerk, number> {
  clerk(own_context& c, std::promise<long>& s) : here(c), result(s) {}

  void on(const number& n) {
    if (n.value == next && next <= 1000) { // the second of two answers is not wanted
      sum += n.square;
      if (++next > 1000) result.set_value(sum);
    }
    here.send(n.who, number{next});
  }

  own_context& here;
  std::promise<long>& result;
  long next = 1, sum = 0;
};

int main() {
  const supervisor_spec workers{.children = {{.id = "worker/0"}, {.id = "worker/1"}}};
  const supervision_tree tree{.root = {.children = {{.id = "clerk", .state = state_source::itself},
                                                    supervisor_of("workers", workers)}}};
  std::printf("%s", tree.text().c_str());
  std::promise<long> sum;
  own_actors all(tree);
  std::latch second_lives(2);
  all.observe([&](const own_event& e) {
    std::printf("%s: life %u\n", e.who.c_str(), e.life);
    second_lives.count_down();
  });
  all.add("clerk", [&](own_context& c) { return std::make_unique<clerk>(c, sum); });
  for (const char* id : {"worker/0", "worker/1"})
    all.add(id, [](own_context& c) { return std::make_unique<worker>(c); });
  all.start();
  for (const char* id : {"worker/0", "worker/1"})
    all.kill(id);
  second_lives.wait();
  std::printf("the sum of 1000 squares is %ld\n", sum.get_future().get());
}
