#include "src/small_jobs.hpp"
#include "support/error_of.hpp"
#include "support/fuzz.hpp"
#include "support/scratch_folder.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace troupe;
using namespace troupe::test;

namespace {

void check_equal(const wiring& a, const wiring& b) {
  CHECK(a.name == b.name);
  CHECK(a.replicas == b.replicas);
  CHECK(a.stages == b.stages);
  CHECK(a.parts == b.parts);
  CHECK(a.recompute == b.recompute);
  CHECK(a.balance_shares == b.balance_shares);
  CHECK(a.block_bytes_min == b.block_bytes_min);
  CHECK(a.block_bytes_max == b.block_bytes_max);
  CHECK(a.roles == b.roles);
}

std::string replaced(std::string text, const std::string& part, const std::string& by) {
  const auto at = text.find(part);
  REQUIRE(at != std::string::npos);
  return text.replace(at, part.size(), by);
}

// Cheap to cut: the mutations cut it thousands of times.
job tiny_job() {
  auto out = small_job(1);
  out.model = sequential(flatten{}, dense{8}, relu{}, dense{8}, relu{}, dense{10});
  return out;
}

} // namespace

TEST_CASE("a wiring is written and read back") {
  const auto j = small_job(1, 8);
  for (const auto& w : {data_parallel(j, {.replicas = 2}),
                        data_parallel(j, {.replicas = 4, .groups = 2}),
                        data_parallel(j, {.replicas = 2, .balance_shares = true, .backups = 1}),
                        pipeline(j, {.stages = 3, .schedule = "zero-bubble", .recompute = true}),
                        hybrid(j,
                               {.replicas = 2,
                               .stages = 2,
                               .holders = 3,
                               .schedule = "interleaved",
                               .chunks = 2,
                               .block_bytes_min = 1 << 14,
                               .block_bytes_max = 1 << 16})})
    check_equal(w, parse_wiring(to_json(w), j));
}

TEST_CASE("a file of a wiring is edited and read again") {
  const scratch_folder here;
  const auto j = small_job(1);
  const auto w = pipeline(j, {.stages = 2});
  save_wiring(w, here.file("w.json"));
  check_equal(w, load_wiring(here.file("w.json"), j));
  const auto edited = replaced(to_json(w), "\"F0 B0 F1 B1", "\"F0 F1 B0 B1");
  CHECK(parse_wiring(edited, j).roles != w.roles);
  CHECK_ERROR(load_wiring(here.file("none.json"), j), "none.json");
}

TEST_CASE("one role is one line") {
  const auto json = to_json(pipeline(small_job(1, 2), {.stages = 2}));
  CHECK(contains(json,
                 "    {\"role\": \"layer_shard/0/1\", \"node\": 1, \"microbatches\": [0, 2], "
                 "\"parts\": [1], \"schedule\": \"F0 B0 F1 B1\", \"talks_to\": "
                 "[\"data_loader/0\", \"layer_shard/0/0\", \"director\", "
                 "\"gradient_aggregator/1\", \"parameter_holder/1\"]},\n"));
}

TEST_CASE("a layer shard names its group, if it has one") {
  const auto j = small_job(1, 2);
  const auto json = to_json(data_parallel(j, {.replicas = 2, .holders = 1, .groups = 2}));
  CHECK(contains(json,
                 "\"schedule\": \"F0 B0\", \"group\": 2, \"talks_to\": [\"data_loader/1\", "
                 "\"director\", \"gradient_aggregator/0/2\", \"parameter_holder/0\"]},\n"));
  CHECK(contains(json,
                 "    {\"role\": \"gradient_aggregator/0/2\", \"node\": 1, \"talks_to\": "
                 "[\"gradient_aggregator/0\"]},\n"));
  CHECK(!contains(to_json(data_parallel(j, {.replicas = 2})), "group"));
  CHECK_ERROR(parse_wiring(replaced(json, "\"group\": 2", "\"group\": -2"), j, "w.json"),
              "-2 is out of range");
}

TEST_CASE("another job's wiring is refused with both values") {
  const auto json = to_json(pipeline(small_job(1), {.stages = 2}));
  auto other = small_job(1, 8);
  other.batch = 64;
  CHECK_ERROR(parse_wiring(json, other, "w.json"),
              "the wiring belongs to another job\n"
              "  --> w.json\n"
              "  batch: \"32\" in the file, \"64\" now\n"
              "  microbatches: \"4\" in the file, \"8\" now\n");
  CHECK_ERROR(parse_wiring(json, tiny_job()), "\n  model: \"");
}

TEST_CASE("a wiring with islands comes back, and only for a job that has as many") {
  auto j = small_job(4);
  j.outer = {.islands = 2, .every = 3};
  const auto w = data_parallel(j, {.replicas = 4, .groups = 2});
  const auto back = parse_wiring(to_json(w), j);
  CHECK(back.roles == w.roles);
  CHECK(mistakes_of(back).empty());
  CHECK(play(back).digests == play(w).digests);
  CHECK_ERROR(parse_wiring(to_json(w), small_job(4)), "islands: \"2\" in the file, \"0\" now");
  CHECK_ERROR(parse_wiring(to_json(data_parallel(small_job(4))), j),
              "\"0\" in the file, \"2\" now");
  const auto older = replaced(to_json(data_parallel(small_job(4))), ", \"islands\": 0", "");
  CHECK(mistakes_of(parse_wiring(older, small_job(4))).empty());
}

TEST_CASE("what is malformed is told with its place") {
  const auto j = small_job(1);
  const auto json = to_json(pipeline(j, {.stages = 2}));
  const auto wrong = [&](const std::string& part, const std::string& by) {
    return error_of([&] { parse_wiring(replaced(json, part, by), j, "w.json"); });
  };
  CHECK(wrong("\"recompute\":", "\"recompute\"") ==
        "it is no JSON there\n"
        "  --> w.json, line 4, column 19\n"
        "  help: look for a comma, a bracket or a quotation mark that is missing or too many");
  CHECK(contains(wrong("\"recompute\": false", "\"recompute\": 3"),
                 "it is neither true nor false\n  --> w.json, recompute"));
  CHECK(contains(
      wrong("\"role\": \"layer_shard/0/1\", \"node\"", "\"role\": \"layer_shard/0/1\", \"nod\""),
      "nobody knows \"nod\"\n  --> w.json, roles, entry 5\n  help: did you mean 'node'?"));
  CHECK(contains(wrong("\"role\": \"director\"", "\"role\": \"directr\""),
                 "there is no role 'directr'\n  --> w.json, roles, entry 2, role"));
  CHECK(contains(wrong("\"role\": \"director\", ", ""), "\"role\" is missing"));
  CHECK(contains(wrong("\"node\": 1", "\"node\": 1.5"),
                 "it is no whole number\n  --> w.json, roles, entry 5 (layer_shard/0/1), node"));
  CHECK(contains(wrong("\"node\": 1", "\"node\": 99999999999"), "99999999999 is out of range"));
  CHECK(contains(wrong("\"F0", "\"X0"), "\"X0\" is no operation"));
  CHECK(contains(wrong("\"F0", "\"F"), "\"F\" is no operation"));
  CHECK(contains(wrong("\"microbatches\": [0, 4]", "\"microbatches\": [0]"), "it is no pair"));
  CHECK(contains(wrong("\"parts\": [\n", "\"parts\": [7,\n"), "parts, entry 1"));
  CHECK_ERROR(parse_wiring("[]", j), "it is no object");
  CHECK_ERROR(parse_wiring("", j), "line 1, column 1");
}

TEST_CASE("a damaged file gives an error, or a wiring that has mistakes or runs") {
  const auto j = tiny_job();
  const auto w = hybrid(j, {.replicas = 2, .stages = 2});
  const auto good = to_json(w);
  const auto undisturbed = play(w).digests;
  int read = 0, played = 0;
  for (std::uint64_t i = 0; i < 3000; ++i) {
    random_stream draw({1, random_purpose::test, i, 0});
    auto bytes = good;
    mutate(bytes, draw);
    CAPTURE(i);
    wiring changed;
    try {
      changed = parse_wiring(bytes, j);
    } catch (const error&) {
      continue;
    }
    ++read;
    if (!mistakes_of(changed).empty() || changed.roles == w.roles) continue;
    CHECK(play(changed).digests == undisturbed);
    ++played;
  }
  CHECK(read > 0);
  CHECK(played > 0);
}
