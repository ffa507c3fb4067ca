#include "ops/slice.hpp"

#include "ops/files/checkpoint.hpp"
#include "ops/files/safetensors.hpp"
#include "ops/program.hpp"
#include "ops/whole_parameter.hpp"
#include "support/error_of.hpp"
#include "support/same_bits.hpp"
#include "support/scratch_folder.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <string>
#include <vector>

using namespace troupe;
using namespace troupe::test;

namespace {

const shape image{1, 28, 28};

// Every kind of initial values, statistics among them, and a layer behind the slices.
model small() {
  return sequential(conv2d{.channels = 12, .padding = 1, .init = initialiser::kaiming_normal},
                    batch_norm{},
                    relu{},
                    max_pool2d{},
                    residual{.body = {conv2d{.channels = 12, .padding = 1, .bias = false}}},
                    flatten{},
                    dense{8},
                    dense{.outputs = 6, .init = initialiser::xavier_uniform},
                    dense{4});
}

const std::vector<slice> everywhere = {{"0", 3}, {"4.body.0", 2}, {"6", 4}, {"7", 2}};

parameter_layout layout_of(const graph& g) {
  return compile_cpu(g, {.microbatch = 2})->layout();
}

void check_refused(const slice& s, const char* what, const char* why, const char* help) {
  const graph g = build_graph(cnn(), image);
  const std::string text = error_of([&] { sliced(g, {s}); });
  CAPTURE(text);
  CHECK(contains(text, what));
  CHECK(contains(text, "--> --slice " + s.layer + ":"));
  CHECK(contains(text, why));
  CHECK(contains(text, std::string("help: ") + help));
}

} // namespace

TEST_CASE("slices read one input, take along what keeps channels apart, and end in a concat") {
  const graph g = sliced(build_graph(small(), image), {{"0", 2}});
  std::vector<std::string> nodes;
  for (const node& n : g.nodes)
    nodes.push_back((n.path.empty() ? "" : n.path + " ") + describe(n) + " " + n.output.text());
  CHECK(std::vector<std::string>(nodes.begin(), nodes.begin() + 11) ==
        std::vector<std::string>{"input [1, 28, 28]",
                                 "0 conv2d 3x3 padding 1, slice 1 of 2 [6, 28, 28]",
                                 "1 batch_norm, slice 1 of 2 [6, 28, 28]",
                                 "2 relu, slice 1 of 2 [6, 28, 28]",
                                 "3 max_pool2d 2x2, slice 1 of 2 [6, 14, 14]",
                                 "0 conv2d 3x3 padding 1, slice 2 of 2 [6, 28, 28]",
                                 "1 batch_norm, slice 2 of 2 [6, 28, 28]",
                                 "2 relu, slice 2 of 2 [6, 28, 28]",
                                 "3 max_pool2d 2x2, slice 2 of 2 [6, 14, 14]",
                                 "0 concat [12, 14, 14]",
                                 "4.body.0 conv2d 3x3 padding 1 no bias [12, 14, 14]"});
  CHECK(g.nodes[5].inputs == std::vector<int>{0});
  CHECK(g.nodes[9].inputs == std::vector<int>{4, 8});
  CHECK(g.nodes[10].inputs == std::vector<int>{9});
  CHECK(g.nodes[11].inputs == std::vector<int>{10, 9}); // the residual block's sum
  CHECK(contains(summary(g), "2 relu, slice 2 of 2"));
}

TEST_CASE("slices cost and hold what the whole model does") {
  const graph g = build_graph(small(), image), cut = sliced(g, everywhere);
  CHECK(cut.flops() == g.flops());
  CHECK(cut.trainable_elements() == g.trainable_elements());
  const auto last_line = [](const std::string& text) { return text.substr(text.rfind("total")); };
  const auto numbers = [&](const graph& of) {
    std::string out;
    for (const char c : last_line(summary(of)))
      if (c != ' ') out += c;
    return out;
  };
  CHECK(numbers(cut) == numbers(g));
}

TEST_CASE("the whole parameters of a sliced model are those of the model") {
  const graph g = build_graph(small(), image), cut = sliced(g, everywhere);
  const auto wholes = whole_parameters(cut.parameters);
  REQUIRE(wholes.size() == g.parameters.size());
  for (std::size_t i = 0; i < wholes.size(); ++i) {
    CHECK(wholes[i].spec.name == g.parameters[i].name);
    CHECK(wholes[i].spec.dims == g.parameters[i].dims);
    CHECK(wholes[i].spec.kind == g.parameters[i].kind);
    CHECK(wholes[i].spec.fan_in == g.parameters[i].fan_in);
  }
  CHECK(wholes[0].parts.size() == 3);
  CHECK(cut.parameters[0].name == "0.weight[0:4]");
  CHECK(cut.parameters[0].dims == shape{4, 1, 3, 3});
  CHECK(wholes.back().parts.size() == 1);
}

TEST_CASE("slices start from the rows of the whole layer's initial values") {
  const graph g = build_graph(small(), image), cut = sliced(g, everywhere);
  const auto a = layout_of(g), b = layout_of(cut);
  const auto start = initial_parameters(a, 5), start_of_slices = initial_parameters(b, 5);
  const auto wholes = whole_parameters(cut.parameters);
  for (std::size_t i = 0; i < wholes.size(); ++i) {
    CAPTURE(wholes[i].spec.name);
    CHECK(whole_values(b, wholes[i], start_of_slices) ==
          plain_values(a, static_cast<int>(i), start));
  }
}

TEST_CASE("files of sliced and of whole models are the same, and either loads the other's") {
  const scratch_folder folder;
  const graph g = build_graph(small(), image), cut = sliced(g, everywhere);
  const auto a = layout_of(g), b = layout_of(cut);
  const auto start = initial_parameters(a, 5), start_of_slices = initial_parameters(b, 5);
  save_weights(folder.file("whole"), a, start, 7);
  save_weights(folder.file("slices"), b, start_of_slices, 7);
  const auto whole = read_safetensors(folder.file("whole"));
  const auto slices = read_safetensors(folder.file("slices"));
  REQUIRE(whole.tensors.size() == slices.tensors.size());
  for (std::size_t i = 0; i < whole.tensors.size(); ++i) {
    CAPTURE(whole.tensors[i].name);
    CHECK(whole.tensors[i].name == slices.tensors[i].name);
    CHECK(whole.tensors[i].dims == slices.tensors[i].dims);
    CHECK(whole.tensors[i].values == slices.tensors[i].values);
    CHECK(whole.tensors[i].integers == slices.tensors[i].integers);
  }
  CHECK(same_bits(load_weights(folder.file("whole"), b), start_of_slices));
  CHECK(same_bits(load_weights(folder.file("slices"), a), start));
}

TEST_CASE("a checkpoint of a sliced model comes back, and into the whole model") {
  const graph g = build_graph(small(), image), cut = sliced(g, everywhere);
  const auto a = layout_of(g), b = layout_of(cut);
  const auto state = [](const parameter_layout& layout) {
    checkpoint c;
    c.step = 3;
    c.parameters = initial_parameters(layout, 5);
    for (const std::uint64_t seed : {6, 7}) {
      auto& slot = c.slots.emplace_back(initial_parameters(layout, seed));
      for (std::size_t i = 0; i < slot.size(); ++i) {
        const std::int64_t size = layout.blocks[i].trainable;
        slot[i] = make_tensor(shape{size}, slot[i].values().first(static_cast<std::size_t>(size)));
      }
    }
    return c;
  };
  const checkpoint of_slices = state(b), of_whole = state(a);
  const std::string bytes = checkpoint_bytes(b, of_slices);
  CHECK(bytes == checkpoint_bytes(a, of_whole));
  const checkpoint back = parse_checkpoint(bytes, "c", b), whole = parse_checkpoint(bytes, "c", a);
  CHECK(same_bits(back.parameters, of_slices.parameters));
  CHECK(same_bits(whole.parameters, of_whole.parameters));
  for (const std::size_t slot : {std::size_t{0}, std::size_t{1}}) {
    CHECK(same_bits(back.slots[slot], of_slices.slots[slot]));
    CHECK(same_bits(whole.slots[slot], of_whole.slots[slot]));
  }
}

TEST_CASE("a slicing that cannot be is refused with the nearest one that can") {
  check_refused({"0", 3},
                "the 32 channels of layer 0 do not split into 3 slices",
                "32 = 3 x 10 + 2",
                "use 2 or 4 slices");
  check_refused({"15", 7}, "10 channels of layer 15", "10 = 7 x 1 + 3", "use 5 or 10 slices");
  check_refused({"15", 16}, "10 channels of layer 15", "10 = 16 x 0 + 10", "use 10 slices");
  check_refused({"0", 0}, "0 slices of layer 0 compute nothing", "", "use 2 or more");
  check_refused({"1", 2},
                "layer 1 cannot be sliced",
                "it is batch_norm; dense layers and convolutions without groups can",
                "slice one of 0, 4, 8, 13, 15");
  check_refused({"16", 2},
                "the model has no layer '16' to slice",
                "dense and convolution layers: 0, 4, 8, 13, 15",
                "did you mean '13'?");
  check_refused({"head", 2}, "no layer 'head'", "0, 4, 8, 13, 15", "give one of them");
  const graph grouped = build_graph(sequential(conv2d{.channels = 8, .groups = 2}), {4, 5, 5});
  CHECK_ERROR(sliced(grouped, {{"0", 2}}), "its groups read different channels");
  const graph g = build_graph(cnn(), image);
  CHECK_ERROR(sliced(g, {{"0", 2}, {"0", 4}}), "layer 0 is sliced twice");
  CHECK(mistakes_of(g, {{"0", 3}, {"1", 2}, {"4", 2}, {"9", 2}}).size() == 3);
}

TEST_CASE("a residual block's layers are sliced by their paths, and one slice is none") {
  const graph g = build_graph(resnet20(), image);
  std::vector<std::string> concats;
  for (const node& n : sliced(g, {{"9.c1", 4}, {"9.sc.0", 2}, {"0", 1}}).nodes)
    if (n.kind == node_kind::concat) concats.push_back(n.path + " " + n.output.text());
  CHECK(concats == std::vector<std::string>{"9.c1 [64, 7, 7]", "9.sc.0 [64, 7, 7]"});
  CHECK(summary(sliced(g, {{"0", 1}})) == summary(g));
  CHECK(contains(error_of([&] { sliced(g, {{"9", 2}}); }), "layer 9 cannot be sliced"));
}

TEST_CASE("a slicing's text does not depend on the order in which it was said") {
  CHECK(text(std::vector<slice>{{"4.c1", 2}, {"0", 4}, {"1", 1}}) == "0:4, 4.c1:2");
  CHECK(text(std::vector<slice>{}).empty());
}
