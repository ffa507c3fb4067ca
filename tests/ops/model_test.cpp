#include "ops/model.hpp"

#include "support/error_of.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <string>
#include <vector>

using namespace troupe;
using nlohmann::json;

namespace {

// Every kind of layer, and no option left at its default.
model every_layer() {
  model m = sequential(conv2d{.channels = 8,
                              .kernel = 5,
                              .stride = 2,
                              .padding = 1,
                              .groups = 2,
                              .bias = false,
                              .init = initialiser::kaiming_normal},
                       batch_norm{.epsilon = 1e-3F, .momentum = 0.3F},
                       leaky_relu{0.2F},
                       max_pool2d{.kernel = 3, .stride = 1, .padding = 1},
                       average_pool2d{.kernel = 4, .stride = 3, .padding = 2},
                       relu{});
  residual inner{.body = {tanh_activation{}}, .shortcut = {}};
  m.layers.emplace_back(
      residual{
          .body = {layer(conv2d{.channels = 8, .init = initialiser::zeros}, "c"), layer(inner)},
          .shortcut = {layer(sigmoid{}, "s")},
          .body_name = "left",
          .shortcut_name = "right",
          .relu_after = true},
      "block");
  m.layers.emplace_back(global_average_pool{});
  m.layers.emplace_back(flatten{});
  m.layers.emplace_back(dropout{0.1F});
  m.layers.emplace_back(dense{.outputs = 7, .bias = false, .init = initialiser::xavier_uniform},
                        "head");
  return m;
}

void collect_kinds(const std::vector<layer>& layers, std::vector<bool>& seen) {
  for (const layer& l : layers) {
    seen[l.options.index()] = true;
    if (const auto* block = std::get_if<residual>(&l.options)) {
      collect_kinds(block->body, seen);
      collect_kinds(block->shortcut, seen);
    }
  }
}

// The archive of a model with one change made to its JSON.
template <class Change>
std::string changed(const model& m, Change change) {
  json archive = json::parse(to_json(m));
  change(archive);
  return archive.dump();
}

} // namespace

TEST_CASE("every preset survives its JSON form") {
  for (const std::string& name : model_names()) {
    CAPTURE(name);
    const model m = model_by_name(name, 17);
    CHECK(model_from_json(to_json(m)) == m);
    CHECK_FALSE(model_from_json(to_json(m)) == model_by_name(name, 10));
  }
}

TEST_CASE("a model with every layer and option survives its JSON form") {
  const model m = every_layer();
  std::vector<bool> seen(std::variant_size_v<layer_options>);
  collect_kinds(m.layers, seen);
  CHECK(seen == std::vector<bool>(seen.size(), true));
  const model read = model_from_json(to_json(m));
  CHECK(read == m);
  CHECK(to_json(read) == to_json(m));
}

TEST_CASE("models that differ in one option are different") {
  CHECK_FALSE(sequential(relu{}) == sequential(sigmoid{}));
  CHECK_FALSE(sequential(dense{3}) == sequential(dense{4}));
  CHECK_FALSE(sequential(relu{}) == sequential(relu{}, relu{}));
  CHECK_FALSE(model{{layer(relu{}, "a")}} == model{{layer(relu{}, "b")}});
  model other = every_layer();
  std::get<residual>(other.layers[6].options).relu_after = false;
  CHECK_FALSE(other == every_layer());
}

TEST_CASE("an archive that this program does not understand is refused") {
  const model m = sequential(dense{.outputs = 3});
  CHECK(model_from_json(changed(m, [](json&) {})) == m);
  CHECK_ERROR(model_from_json(changed(m, [](json& j) { j["layers"][0].erase("outputs"); })),
              "the option 'outputs' is missing");
  CHECK_ERROR(model_from_json(changed(m, [](json& j) { j["layers"][0]["outputs"] = "many"; })),
              "the option 'outputs' cannot be read");
  CHECK_ERROR(model_from_json(changed(m, [](json& j) { j["layers"][0]["init"] = "magic"; })),
              "'magic' is not an initialiser");
  for (const auto& text : {
           std::string("{"),
           std::string("[]"),
           std::string("{}"),
           changed(m, [](json& j) { j["troupe_model"] = 999; }),
           changed(m, [](json& j) { j["layers"][0]["type"] = "holographic"; }),
           changed(m, [](json& j) { j["layers"][0]["colour"] = 1; }),
           changed(m, [](json& j) { j["layers"][0].erase("type"); }),
           changed(m, [](json& j) { j["layers"] = 3; }),
       }) {
    CAPTURE(text);
    CHECK_THROWS_AS(model_from_json(text), error);
  }
}

TEST_CASE("a preset asked for by a wrong name is answered with the nearest one") {
  CHECK_ERROR(model_by_name("resnet2", 10), "did you mean 'resnet20'?");
  CHECK_ERROR(model_by_name("transformer", 10), "models: lenet, cnn, resnet20, mlp");
}
