#include "ops/program.hpp"
#include "src/small_jobs.hpp"
#include "support/error_of.hpp"

#include <doctest/doctest.h>

#include <map>
#include <string>

using namespace troupe;
using namespace troupe::test;

namespace {

std::map<std::string, std::int64_t> bytes_said(const wiring_price& p) {
  std::map<std::string, std::int64_t> out;
  for (const auto& e : p.edges)
    out[e.what] += e.bytes;
  return out;
}

// Every part costs one second forward and one for each half of backward.
std::vector<piece_cost> uniform_costs(const wiring& w) {
  std::vector<piece_cost> out;
  for (const auto& part : w.parts) {
    const double each = 1.0 / part.pieces;
    out.insert(out.end(), static_cast<std::size_t>(part.pieces), {each, each, each});
  }
  return out;
}

} // namespace

TEST_CASE("the arithmetic of the layer shards is that of the model") {
  const auto j = small_job(1, 8);
  const auto g = graph_of(j);
  std::int64_t elements = 0;
  for (const auto& p : g.parameters)
    elements += p.dims.elements();
  for (const auto& w : {data_parallel(j, {.replicas = 2}),
                        pipeline(j, {.stages = 3, .schedule = "zero-bubble"}),
                        hybrid(j,
                               {.replicas = 2,
                               .stages = 2,
                               .schedule = "interleaved",
                               .chunks = 2,
                               .recompute = true})}) {
    CAPTURE(w.name);
    const auto p = price_of(w);
    std::int64_t flops = 0, parameters = 0;
    for (const auto& s : p.shards) {
      flops += s.flops;
      parameters += s.parameters;
    }
    CHECK(flops == (w.recompute ? 4 : 3) * g.flops() * j.batch);
    CHECK(parameters == elements * w.replicas);
  }
}

TEST_CASE("the memory of a layer shard is what its programs allocate") {
  const auto j = small_job(1, 4);
  const auto w = pipeline(j, {.stages = 2, .schedule = "gpipe"});
  const auto p = price_of(w);
  for (int stage = 0; stage < 2; ++stage) {
    compile_options how{.microbatch = j.batch / j.microbatches,
                        .part_of_piece = w.part_of_piece(),
                        .part = stage,
                        .has_siblings = true};
    const auto g = graph_of(j);
    const auto first = compile_cpu(g, how);
    how.sibling_of = first.get();
    const auto second = compile_cpu(g, how);
    const auto& shard = p.shards[static_cast<std::size_t>(stage)];
    CHECK(shard.in_flight == 4);
    CHECK(shard.program_bytes == first->memory_bytes() + 3 * second->memory_bytes());
  }
  const auto lean = price_of(pipeline(j, {.stages = 2, .schedule = "1f1b"}));
  CHECK(lean.shards[1].in_flight == 1);
  CHECK(lean.shards[1].program_bytes < p.shards[1].program_bytes);
}

TEST_CASE("holders share the parameters, and the optimizer's state with them") {
  const auto j = small_job(1);
  const auto layout = compile_cpu(graph_of(j), {.microbatch = j.batch / j.microbatches})->layout();
  std::int64_t trainable = 0;
  for (const auto& b : layout.blocks)
    trainable += b.trainable;
  const auto p = price_of(data_parallel(j, {.replicas = 2, .holders = 2}));
  REQUIRE(p.holders.size() == 2);
  CHECK(p.holders[0].parameter_bytes + p.holders[1].parameter_bytes == layout.bytes());
  CHECK(p.holders[0].optimizer_bytes + p.holders[1].optimizer_bytes == 4 * trainable);
  CHECK(p.holders[0].blocks + p.holders[1].blocks == static_cast<int>(layout.blocks.size()));
}

TEST_CASE("what is said in a step is counted by who says it") {
  const auto j = small_job(1, 4);
  const auto layout = compile_cpu(graph_of(j), {.microbatch = j.batch / j.microbatches})->layout();
  const auto whole = bytes_said(price_of(data_parallel(j, {.replicas = 2})));
  CHECK(whole.at("batch") == 4 * j.batch * (28 * 28 + 1));
  CHECK(whole.at("gradient") == 2 * layout.bytes()); // each replica sums its two microbatches
  CHECK(whole.at("summed gradient") == 2 * layout.bytes());
  CHECK(whole.at("parameters") == 2 * layout.bytes());
  CHECK(whole.count("activation") == 0);

  const auto w = pipeline(j, {.stages = 2});
  const auto priced = price_of(w);
  const auto cut = bytes_said(priced);
  CHECK(cut.at("batch") == 4 * j.batch * (28 * 28 + 1) + 4 * j.batch); // targets to the last stage
  CHECK(cut.at("activation") == priced.shards[0].boundary_bytes);
  CHECK(cut.at("activation gradient") == priced.shards[1].boundary_bytes);
  for (const auto& e : priced.edges)
    CHECK((w.find(e.from) != nullptr && w.find(e.to) != nullptr));
}

TEST_CASE("compressed gradients are counted as they cross") {
  auto j = small_job(1, 4);
  const auto layout = compile_cpu(graph_of(j), {.microbatch = j.batch / j.microbatches})->layout();
  const auto gradients = [&](const char* codec, std::uint32_t in_one, int replicas) {
    j.compression = make_codec(codec);
    j.compressed_microbatches = in_one;
    return static_cast<double>(
        bytes_said(price_of(data_parallel(j, {.replicas = replicas}))).at("gradient"));
  };
  const auto whole = static_cast<double>(layout.bytes());
  CHECK(gradients("none", 1, 1) == 2 * whole); // the last sum is left to the holder
  CHECK(gradients("bf16", 1, 1) / (4 * whole) == doctest::Approx(0.5).epsilon(0.02));
  CHECK(gradients("bf16", 2, 2) / (2 * whole) == doctest::Approx(0.5).epsilon(0.02));
  CHECK(gradients("int8", 1, 2) / (4 * whole) == doctest::Approx(0.25).epsilon(0.04));
  CHECK(gradients("top-k 0.01", 1, 4) / (4 * whole) < 0.04);
  j.compression = make_codec("int8");
  CHECK(static_cast<double>(bytes_said(price_of(parameter_server(j))).at("summed gradient")) /
            (2 * whole) ==
        doctest::Approx(0.25).epsilon(0.04));
}

TEST_CASE("groups send their sums to each other, not the gradients of every replica") {
  const auto j = small_job(1, 8);
  const auto layout = compile_cpu(graph_of(j), {.microbatch = j.batch / j.microbatches})->layout();
  // What leaves the nodes of a group of four replicas, without groups and with two.
  const auto between = [&](const wiring& w) {
    std::int64_t out = 0;
    for (const auto& e : price_of(w).edges)
      if (e.to.role == role_kind::gradient_aggregator &&
          w.find(e.from)->node / 4 != w.find(e.to)->node / 4)
        out += e.bytes;
    return out;
  };
  const auto plain = data_parallel(j, {.replicas = 8});
  const auto grouped = data_parallel(j, {.replicas = 8, .groups = 2});
  CHECK(between(plain) == 4 * layout.bytes()); // of each block, from the four of the other half
  CHECK(between(grouped) == layout.bytes());   // one sum of each block
  const auto said = bytes_said(price_of(grouped));
  CHECK(said.at("gradient") == 8 * layout.bytes());
  CHECK(said.at("gradient of a group") == 2 * layout.bytes());
  CHECK(said.at("summed gradient") == 2 * layout.bytes());
  std::int64_t arrive = 0;
  for (const auto& a : price_of(grouped).aggregators)
    arrive += a.gradient_bytes;
  CHECK(arrive == 10 * layout.bytes());
}

TEST_CASE("between islands a round's parameters cross, not each step's gradients") {
  auto j = small_job(1, 8);
  j.outer = {.islands = 2, .every = 5};
  const auto layout = compile_cpu(graph_of(j), {.microbatch = j.batch / j.microbatches})->layout();
  const auto w = data_parallel(j, {.replicas = 4});
  const auto p = price_of(w);
  // What leaves the nodes of an island, in a step and in a round.
  std::int64_t steps = 0, rounds = 0;
  for (const auto& e : p.edges)
    if (w.find(e.from)->node / 2 != w.find(e.to)->node / 2)
      (e.every == 1 ? steps : rounds) += e.bytes;
  CHECK(steps == 0);
  CHECK(rounds == 2 * layout.bytes()); // one copy of each block goes out, one comes back
  const auto said = bytes_said(p);
  CHECK(said.at("gradient") == 4 * layout.bytes());
  CHECK(said.at("parameters") == 4 * layout.bytes());
  CHECK(said.at("delta of an island") == 2 * layout.bytes());
  CHECK(said.at("outer parameters") == 2 * layout.bytes());
  CHECK(contains(text(p), "delta of an island, each 5 steps"));
  CHECK(p.holders.size() == 8); // four of the outer parameters, two of each island
}

TEST_CASE("the gradients of workers go to the holders") {
  const auto j = small_job(1, 4);
  const auto w = parameter_server(j, {.workers = 2});
  const auto p = price_of(w);
  CHECK(bytes_said(p).at("summed gradient") == bytes_said(p).at("parameters"));
  CHECK(p.aggregators.empty());
}

TEST_CASE("the bubble of uniform parts has the closed form") {
  const auto j = small_job(1, 4);
  for (const int stages : {2, 3}) {
    const auto w = pipeline(j, {.stages = stages});
    const auto p = price_of(w, {.costs = uniform_costs(w)});
    CHECK(p.bubble_fraction == doctest::Approx((stages - 1.0) / (4 + stages - 1)));
    CHECK(p.step_seconds == doctest::Approx(3.0 * (4 + stages - 1)));
    CHECK(p.shards[0].busy_seconds == doctest::Approx(3.0 * 4));
    const auto alone = price_of(w, {.costs = uniform_costs(w), .threads = 1});
    CHECK(alone.step_seconds == doctest::Approx(3.0 * 4 * stages));
  }
  CHECK(price_of(data_parallel(j, {.replicas = 2})).bubble_fraction == 0);
}

TEST_CASE("measured costs are of every piece, and other costs are refused") {
  const auto j = small_job(1, 4);
  const auto costs = measured_costs(j, 3);
  CHECK(costs.size() == pieces_of(j).size());
  double forward = 0, inputs = 0, weights = 0;
  for (const auto& c : costs) {
    forward += c.forward;
    inputs += c.backward_inputs;
    weights += c.backward_weights;
  }
  CHECK(forward > 0);
  CHECK(inputs > 0);
  CHECK(weights > 0);
  CHECK_ERROR(price_of(data_parallel(j), {.costs = {{1, 1, 1}}}), "1 costs for");
}

TEST_CASE("a price is told as tables") {
  const auto w = pipeline(small_job(1, 4), {.stages = 2});
  const auto counted = text(price_of(w));
  CHECK(contains(counted, "layer_shard/0/1"));
  CHECK(contains(counted, "layer_shard/0/0 -> layer_shard/0/1"));
  CHECK(contains(counted, "by counted FLOPs"));
  CHECK_FALSE(contains(counted, "a step takes"));
  CHECK(contains(text(price_of(w, {.costs = uniform_costs(w)})),
                 "a step takes the layer shards 15000.00 ms with 2 threads"));
  CHECK_ERROR(price_of([&] {
                auto broken = w;
                broken.roles.pop_back();
                return broken;
              }()),
              "the wiring has no recorder");
}
