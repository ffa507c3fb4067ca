// Trains a small CNN on Fashion-MNIST with two data-parallel replicas.
//   build/release/examples/quickstart
// prints one line per epoch and, at the end, the test accuracy and the digest of the parameters.
#include <troupe.hpp>

#include <cstdio>

int main() {
  using namespace troupe;

  job fashion{// 1. the model is a value
              .model = sequential(conv2d{.channels = 32, .kernel = 5, .padding = 2},
                                  relu{},
                                  max_pool2d{},
                                  conv2d{.channels = 64, .kernel = 5, .padding = 2},
                                  relu{},
                                  max_pool2d{},
                                  flatten{},
                                  dense{128},
                                  relu{},
                                  dense{10}),
              .data = fashion_mnist(), // 2. 60,000 training images, 10,000 to test with
              .optimizer = sgd{.momentum = 0.9F, .nesterov = true},
              .learning_rate = {.base = 0.05F, .kind = learning_rate::shape_kind::cosine},
              .batch = 128,
              .microbatches = 2,
              .epochs = 2};

  // 3. the wiring says who plays it; the result is the same for any number of replicas
  const wiring troupe_of_two = data_parallel(fashion, {.replicas = 2});

  // 4. the cluster brings it to life
  auto result = cluster{}
                    .start(troupe_of_two,
                           {.observer =
                                [](const run_event& e) {
                                  if (const auto* epoch = std::get_if<epoch_event>(&e))
                                    std::printf("epoch %d  loss %.4f  test accuracy %.4f\n",
                                                static_cast<int>(epoch->epoch),
                                                epoch->train_loss,
                                                epoch->test_accuracy);
                                }})
                    .wait();
  std::printf("%.0f images/s, test accuracy %.4f, digest %016llx\n",
              result.images_per_second,
              result.test_accuracy,
              static_cast<unsigned long long>(result.parameter_digest));
}
