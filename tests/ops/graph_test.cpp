#include "ops/graph.hpp"

#include "support/error_of.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <fstream>
#include <string>
#include <vector>

using namespace troupe;
using nlohmann::json;

namespace {

const shape image{1, 28, 28};

// The error names the layer and tells the numbers.
void check_refused(
    const model& m, const shape& input, const char* layer, const char* what, const char* numbers) {
  CHECK_ERROR(build_graph(m, input), what);
  CHECK_ERROR(build_graph(m, input), std::string("--> layer ") + layer + "\n");
  CHECK_ERROR(build_graph(m, input), numbers);
}

} // namespace

TEST_CASE("names and sizes of the presets' parameters are those of PyTorch's state_dict") {
  std::ifstream file(TROUPE_TEST_DATA "/state_dict_names.json");
  const json reference = json::parse(file);
  for (const std::string& name : model_names()) {
    CAPTURE(name);
    json actual = json::array();
    for (const parameter_spec& p : build_graph(model_by_name(name, 10), image).parameters)
      actual.push_back({p.name, std::vector<std::int64_t>(p.dims.begin(), p.dims.end())});
    CHECK(actual.dump() == reference.at(name).dump());
  }
}

TEST_CASE("the presets cost what their convolutions and dense layers cost") {
  const auto flops = [](const model& m) { return build_graph(m, image).flops(); };
  CHECK(flops(lenet()) == 2 * (25 * 32 * 784 + 800 * 64 * 196 + 3136 * 512 + 512 * 10));
  CHECK(flops(cnn()) == 2 * (9 * 32 * 784 + 288 * 64 * 196 + 576 * 128 * 49 + 1152 * 128 + 1280));
  CHECK(flops(mlp()) == 2 * (784 * 256 + 256 * 128 + 128 * 10));
  // Six 16-channel convolutions at 28x28, one that halves and five of 32 at 14x14, likewise 64 at
  // 7x7, and two 1x1 projections.
  CHECK(flops(resnet20()) == 2 * (784 * 16 * (9 + 6 * 144) + 196 * 32 * (144 + 5 * 288 + 16) +
                                  49 * 64 * (288 + 5 * 576 + 32) + 640));
}

TEST_CASE("grouped convolutions cost and hold a part of full ones") {
  const auto g = build_graph(
      sequential(conv2d{.channels = 8, .kernel = 3, .padding = 1, .groups = 4}), {4, 10, 6});
  CHECK(g.output() == shape{8, 10, 6});
  CHECK(g.parameters[0].dims == shape{8, 1, 3, 3});
  CHECK(g.parameters[0].fan_in == 9);
  CHECK(g.flops() == 2 * 8 * 60 * 9);
  CHECK(g.trainable_elements() == 80);
}

TEST_CASE("windows have the sizes that torch.nn gives them") {
  const auto output = [](const layer& l) { return build_graph({{l}}, {2, 9, 7}).output(); };
  CHECK(output(conv2d{.channels = 3, .kernel = 3, .stride = 2}) == shape{3, 4, 3});
  CHECK(output(conv2d{.channels = 3, .kernel = 5, .padding = 2}) == shape{3, 9, 7});
  CHECK(output(max_pool2d{}) == shape{2, 4, 3});
  CHECK(output(max_pool2d{.kernel = 3, .stride = 2, .padding = 1}) == shape{2, 5, 4});
  CHECK(output(average_pool2d{.kernel = 3, .stride = 1}) == shape{2, 7, 5});
  CHECK(output(global_average_pool{}) == shape{2, 1, 1});
  CHECK(output(flatten{}) == shape{126});
}

TEST_CASE("a batch norm has two parameters that train and two statistics that follow") {
  const auto g = build_graph(sequential(batch_norm{.momentum = 0.25F}), {3, 4, 4});
  REQUIRE(g.parameters.size() == 4);
  const float start[] = {1, 0, 0, 1};
  for (std::size_t i = 0; i < 4; ++i) {
    const parameter_spec& p = g.parameters[i];
    CAPTURE(p.name);
    CHECK(p.dims == shape{3});
    CHECK(p.constant_init);
    CHECK(p.constant == start[i]);
    CHECK((p.kind == parameter_kind::statistic) == (i >= 2));
    CHECK(p.momentum == (i >= 2 ? 0.25F : 0.0F));
  }
  CHECK(g.trainable_elements() == 6);
}

TEST_CASE("a residual block joins both parts, and its names say where a parameter is") {
  const auto g =
      build_graph({{layer(residual{.body = {layer(conv2d{.channels = 2, .padding = 1}, "c")},
                                   .shortcut = {conv2d{.channels = 2, .kernel = 1, .bias = false}},
                                   .relu_after = true},
                          "block")}},
                  {3, 5, 5});
  std::vector<std::string> names;
  for (const parameter_spec& p : g.parameters)
    names.push_back(p.name);
  CHECK(names == std::vector<std::string>{
                     "block.body.c.weight", "block.body.c.bias", "block.shortcut.0.weight"});
  REQUIRE(g.nodes.size() == 5);
  CHECK(g.nodes[2].inputs == std::vector<int>{0});
  CHECK(g.nodes[3].kind == node_kind::add);
  CHECK(g.nodes[3].inputs == std::vector<int>{1, 2});
  CHECK(g.nodes[4].kind == node_kind::relu);
  const auto identity = build_graph(sequential(relu{}, residual{.body = {sigmoid{}}}), {3});
  CHECK(identity.nodes.back().inputs == std::vector<int>{2, 1});
}

TEST_CASE("a mistake in a model names the layer and the numbers") {
  check_refused(
      sequential(relu{}, dense{10}), image, "1", "dense needs flat inputs", "[1, 28, 28]");
  CHECK_ERROR(build_graph(sequential(dense{10}), image), "help: put flatten{} before it");
  check_refused(sequential(max_pool2d{}, relu{}, conv2d{.channels = 4, .kernel = 15}),
                image,
                "2",
                "conv2d does not fit its input",
                "14 + 2 x 0 < kernel 15");
  check_refused(sequential(average_pool2d{.kernel = 29}),
                image,
                "0",
                "average_pool2d does not fit its input",
                "28 + 2 x 0 < kernel 29");
  check_refused(sequential(relu{}, residual{.body = {conv2d{.channels = 4, .padding = 1}}}),
                image,
                "1",
                "different shapes",
                "body [4, 28, 28], shortcut [1, 28, 28]");
  check_refused(sequential(conv2d{.channels = 6}, conv2d{.channels = 8, .groups = 4}),
                image,
                "1",
                "conv2d has impossible channels",
                "6 input channels and 8 output channels in 4 groups");
  check_refused(sequential(flatten{}, conv2d{.channels = 6}),
                image,
                "1",
                "conv2d needs images",
                "its input is [784]");
  check_refused(sequential(max_pool2d{.kernel = 2, .padding = 2}),
                image,
                "0",
                "more padding than half its kernel",
                "padding 2, kernel 2");
  check_refused(sequential(dropout{1.0F}), image, "0", "impossible probability", "[0, 1)");
  check_refused(sequential(conv2d{.channels = 2, .stride = -1}),
                image,
                "0",
                "conv2d has an impossible window",
                "stride -1");
  CHECK_ERROR(build_graph(model{}, image), "the model has no layers");
}

TEST_CASE("a mistake inside a residual block names its path") {
  const layer block(residual{.body = {relu{}, layer(dense{3}, "head")}}, "block");
  check_refused({{block}}, image, "block.body.head", "dense needs flat inputs", "[1, 28, 28]");
}

TEST_CASE("the summary lists every layer and ends with the totals") {
  const auto text = summary(build_graph(lenet(), image));
  const auto last = text.substr(text.rfind("\n", text.size() - 2) + 1);
  INFO(text);
  CHECK(last.find("total: 6.7 MB of parameters") != std::string::npos);
  CHECK(last.find("1,663,370") != std::string::npos);
  CHECK(last.find("24.55") != std::string::npos);
  CHECK(text.find("0 conv2d 5x5 padding 2") != std::string::npos);
  CHECK(text.find("[32, 14, 14]") != std::string::npos);
  CHECK(text.find("7 dense") != std::string::npos);
  CHECK(text.find("1,606,144") != std::string::npos);
}
