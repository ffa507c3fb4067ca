#include "ops/program.hpp"

#include "ops/assert.hpp"

namespace troupe {

namespace {

struct no_values final : value_sink {
  void on_value(int, tensor) override { TROUPE_ASSERT(false, "a whole model crosses nothing"); }
};

} // namespace

void program::forward(const tensor& input, const microbatch_key& key) {
  no_values none;
  forward(input, key, none);
}

void program::backward(gradient_sink& sink) {
  no_values none;
  backward(sink, none, gradients::all);
}

} // namespace troupe
