#include "cli/command_line.hpp"
#include "cli/dial.hpp"
#include "cli/mistakes.hpp"
#include "cli/slow.hpp"
#include "cli/train_options.hpp"
#include "ops/error.hpp"
#include "support/scratch_folder.hpp"
#include "troupe/wiring_file.hpp"

#include <doctest/doctest.h>

#include <string>
#include <variant>
#include <vector>

using namespace troupe;
using namespace troupe::cli;

namespace {

train_options options(std::vector<std::string> words) {
  words.insert(words.begin(), "train");
  return train_options_of(parse_command_line(words, nullptr).values);
}

std::string wrong_of(std::vector<std::string> words) {
  try {
    words.insert(words.begin(), "train");
    train_options_of(parse_command_line(words, nullptr).values);
  } catch (const mistakes& wrong) {
    CHECK(wrong.code() == exit_usage);
    return wrong.what();
  }
  return "";
}

std::string slow_wrong(const std::string& text) {
  try {
    parse_slow(text);
  } catch (const error& e) {
    return report(e.text());
  }
  return "";
}

std::string dial_wrong(const std::string& said) {
  try {
    parse_dial(said);
  } catch (const error& e) {
    return report(e.text());
  }
  return "";
}

job small_job(const train_options& o) {
  return job_of(o, load_data("synthetic:200", 1));
}

} // namespace

TEST_CASE("without options a cnn learns fashion-mnist") {
  const train_options o = options({});
  CHECK(o.model == "cnn");
  CHECK(o.data == "fashion-mnist");
  CHECK(o.batch == 128);
  const auto& rule = std::get<sgd>(o.optimizer);
  CHECK(rule.momentum == 0.9F);
  CHECK(rule.nesterov);
  CHECK(o.learning_rate.kind == learning_rate::shape_kind::cosine);
  CHECK(o.shuffle);
  CHECK_FALSE(o.augment.flip);
}

TEST_CASE("options become a job") {
  const train_options o = options({"--model",
                                   "mlp",
                                   "--batch=40",
                                   "--steps",
                                   "7",
                                   "--no-shuffle",
                                   "--optimizer",
                                   "adamw",
                                   "--learning-rate",
                                   "1e-3",
                                   "--schedule",
                                   "step",
                                   "--milestones",
                                   "3,5",
                                   "--gamma",
                                   "0.5",
                                   "--warmup",
                                   "2",
                                   "--weight-decay",
                                   "0.01",
                                   "--beta1",
                                   "0.8",
                                   "--augment",
                                   "flip,shift:3,normalise",
                                   "--label-smoothing",
                                   "0.1",
                                   "--class-weights",
                                   "balanced",
                                   "--seed",
                                   "9",
                                   "--microbatches",
                                   "4",
                                   "--balanced-sampling"});
  const job j = small_job(o);
  CHECK(j.batch == 40);
  CHECK(j.steps == 7);
  CHECK_FALSE(j.shuffle);
  CHECK(j.balanced_sampling);
  CHECK(j.microbatches == 4);
  CHECK(j.seed == 9);
  const auto& rule = std::get<adamw>(j.optimizer);
  CHECK(rule.beta1 == 0.8F);
  CHECK(rule.weight_decay == 0.01F);
  CHECK(j.learning_rate.milestones == std::vector<std::int64_t>{3, 5});
  CHECK(j.learning_rate.gamma == 0.5F);
  CHECK(j.learning_rate.warmup_steps == 2);
  CHECK(j.augment.flip);
  CHECK(j.augment.crop_padding == 3);
  CHECK(j.augment.normalise);
  const auto& loss = std::get<softmax_cross_entropy>(j.loss);
  CHECK(loss.label_smoothing == 0.1F);
  CHECK(loss.class_weights.size() == 10);
}

TEST_CASE("balanced weights give every class the same sum") {
  dataset d;
  d.classes = 3;
  d.labels = {0, 0, 0, 1};
  const auto weights = balanced_weights(d);
  CHECK(weights[0] * 3 == doctest::Approx(weights[1] * 1));
  CHECK(weights[2] == 0.0F);
}

TEST_CASE("an unknown option or command comes with the nearest known one") {
  CHECK(wrong_of({"--bacth", "64"}) == "error: unknown option --bacth\n"
                                       "  --> troupe train --bacth\n"
                                       "  help: did you mean '--batch'?\n");
  CHECK(wrong_of({"--learningrate=0.1"}) == "error: unknown option --learningrate\n"
                                            "  --> troupe train --learningrate=0.1\n"
                                            "  help: did you mean '--learning-rate'?\n");
  CHECK_THROWS_WITH_AS(parse_command_line({"trian"}, nullptr),
                       "error: unknown command 'trian'\n"
                       "  --> troupe trian\n"
                       "  help: did you mean 'train'?\n",
                       mistakes);
  CHECK_THROWS_WITH_AS(parse_command_line({"doctor", "now"}, nullptr),
                       "error: nothing takes the word 'now'\n"
                       "  --> troupe doctor now\n"
                       "  help: troupe doctor --help lists the options\n",
                       mistakes);
}

TEST_CASE("an option without its value says so") {
  CHECK(wrong_of({"--batch"}).rfind("error: option --batch has no value\n", 0) == 0);
}

TEST_CASE("all wrong values are told at once") {
  CHECK(wrong_of({"--batch", "many", "--epochs", "-1", "--optimizer", "adm", "--augment", "flp"}) ==
        "error: unknown augmentation 'flp'\n"
        "  --> --augment flp\n"
        "  flip, shift[:N], crop[:N] and normalise are known\n"
        "  help: did you mean 'flip'?\n"
        "error: epochs -1 is out of range\n"
        "  --> --epochs -1\n"
        "  it must be at least 1\n"
        "error: batch 'many' is not a whole number\n"
        "  --> --batch many\n"
        "  help: give a number of at least 1\n"
        "error: unknown optimizer 'adm'\n"
        "  --> --optimizer adm\n"
        "  sgd, adam or adamw are known\n"
        "  help: did you mean 'adam'?\n");
  CHECK(wrong_of({"--schedule", "step"}) == "error: schedule step has no milestones\n"
                                            "  --> --schedule step\n"
                                            "  help: --milestones 1000,2000\n");
  CHECK(wrong_of({"--class-weights", "1,x"}).find("'x' is not a class weight") !=
        std::string::npos);
  CHECK(wrong_of({"--model", "lenett"}).find("did you mean 'lenet'?") != std::string::npos);
  CHECK(wrong_of({"--label-smoothing", "nan"}).find("not a number") != std::string::npos);
  CHECK(wrong_of({"--milestones", "5,5"}).find("milestones do not ascend") != std::string::npos);
  CHECK(wrong_of({"--augment", "flip:2"}).find("'flip:2' is not understood") != std::string::npos);
}

TEST_CASE("a kill is at a fault point, and may be said more than once") {
  const train_options o =
      options({"--kill", "layer_shard/1/0@step=30,message=4,call=2", "--kill", "director@step=2"});
  REQUIRE(o.kills.size() == 2);
  CHECK(o.kills[0] == planned_kill{parse_address("layer_shard/1"), 30, 4, 2});
  CHECK(o.kills[1] == planned_kill{parse_address("director"), 2, 1});
}

TEST_CASE("slices are of layers, by the path of the model's table") {
  const train_options o = options({"--slice", "0:2", "--slice", "4.c1:4", "--model", "resnet20"});
  CHECK(o.slices == std::vector<slice>{{"0", 2}, {"4.c1", 4}});
  CHECK(small_job(o).slices == o.slices);
  CHECK(wrong_of({"--slice", "0"}) == "error: '0' does not say how to slice a layer\n"
                                      "  --> --slice 0\n"
                                      "  LAYER:N, a path of the model's table and a number of "
                                      "slices\n"
                                      "  help: --slice 0:2\n");
  CHECK(wrong_of({"--slice", ":2"}).find("':2' does not say") != std::string::npos);
  CHECK(wrong_of({"--slice", "0:two"}).find("'0:two' does not say") != std::string::npos);
  try {
    wiring_of(options({"--slice", "0:3", "--batch", "20"}), load_data("synthetic:200", 1));
    CHECK(false);
  } catch (const mistakes& wrong) {
    CHECK(wrong.all().front().help == "use 2 or 4 slices");
  }
}

TEST_CASE("a kill that is not understood is told with its option") {
  CHECK(wrong_of({"--kill", "layer_shard"}) ==
        "error: a fault point names who and when\n"
        "  --> --kill layer_shard\n"
        "  ADDRESS@step=N[,message=K][,call=C]; without a step, message K since the job began\n"
        "  help: layer_shard/1/0@step=30\n");
}

TEST_CASE("a kill of an actor that the wiring lacks is refused") {
  const train_options o =
      options({"--kill", "layer_shard/7@step=3", "--replicas", "2", "--batch", "20"});
  CHECK_THROWS_AS(wiring_of(o, load_data("synthetic:200", 1)), mistakes);
}

TEST_CASE("a slow actor is named with how slow it is") {
  const slow_actor slow = parse_slow("layer_shard/1@x2.5");
  CHECK(slow.who == parse_address("layer_shard/1"));
  CHECK(slow.factor == 2.5);
  CHECK(parse_slow(slow_text(slow)).factor == 2.5);
  CHECK(options({"--slow", "layer_shard@x2", "--slow", "evaluator@x4"}).slow.size() == 2);
  CHECK(slow_wrong("layer_shard/1") == "error: a slow actor is named, and how slow it is\n"
                                       "  --> --slow layer_shard/1\n"
                                       "  ROLE@xFACTOR\n"
                                       "  help: --slow layer_shard/1@x4\n");
  CHECK(slow_wrong("layer_shard@x0.5") ==
        "error: '0.5' does not say how many times as long it takes\n"
        "  --> --slow layer_shard@x0.5\n"
        "  a number of 1 to 1000000; 1 is its own speed\n"
        "  help: --slow layer_shard/1@x4\n");
  CHECK(slow_wrong("layer_shard@xinf").find("'inf' does not say") != std::string::npos);
  CHECK(slow_wrong("layer_shart@x2").find("did you mean 'layer_shard'?") != std::string::npos);
  const auto data = load_data("synthetic:200", 1);
  CHECK_THROWS_AS(wiring_of(options({"--slow", "layer_shard/7@x2", "--batch", "20"}), data),
                  mistakes);
}

TEST_CASE("a dial names its edges, its value and its step") {
  for (const char* said : {"prefetch=4",
                           "depth:layer_shard/0/1=1@step=50",
                           "staleness:parameter_holder/1/0=0@step=2"}) {
    const dial d = parse_dial(said);
    CHECK(parse_dial(text(d)) == d);
  }
  const dial d = parse_dial("depth:layer_shard/0/1=3@step=50");
  CHECK(d.kind == credit_kind::depth);
  CHECK(d.of == parse_address("layer_shard/0/1"));
  CHECK(d.value == 3);
  CHECK(d.step == 50);
  CHECK(dial_wrong("depth") ==
        "error: a dial is named, and what it is set to\n"
        "  --> --dial depth\n"
        "  KIND[:ROLE]=VALUE[@step=N]\n"
        "  help: --dial prefetch=4, or --dial depth:layer_shard/0/1=1@step=50\n");
  for (const auto& [said, part] :
       {std::pair{"detph=1", "did you mean 'depth'?"},
        std::pair{"depth:layer_shart=1", "did you mean 'layer_shard'?"},
        std::pair{"depth=-1", "value '-1' of a dial is not a number"},
        std::pair{"depth=", "value '' of a dial is not a number"},
        std::pair{"depth=1@stpe=2", "'stpe=2' does not say when a dial is set"},
        std::pair{"depth=1@step=x", "step 'x' of a dial is not a number"}})
    CHECK_MESSAGE(dial_wrong(said).find(part) != std::string::npos, said);
}

TEST_CASE("dials that the wiring does not allow are told, all of them, before anything runs") {
  const auto data = load_data("synthetic:200", 1);
  const auto told = [&](std::vector<std::string> words) -> std::string {
    try {
      wiring_of(options(std::move(words)), data);
    } catch (const mistakes& wrong) {
      std::string out;
      for (const error_text& each : wrong.all())
        out += report(each);
      return out;
    }
    return "";
  };
  CHECK(told({"--batch=20", "--dial=prefetch=4", "--dial=depth=1@step=2"}).empty());
  const auto wrong = told({"--batch=20", "--dial=staleness=4", "--dial=depth:layer_shard/0/7=1"});
  CHECK(wrong.find("a synchronous job has no staleness") != std::string::npos);
  CHECK(wrong.find("did you mean 'layer_shard/0/0'?") != std::string::npos);
}

TEST_CASE("options choose and shape the topology") {
  const auto grid = [](std::vector<std::string> words) { return options(words).wired.grid; };
  CHECK(grid({"--replicas", "3"}).replicas == 3);
  CHECK(grid({"--replicas", "3"}).stages == 1);
  CHECK(grid({"--topology", "pipeline"}).stages == 2);
  CHECK(grid({"--topology", "pipeline"}).replicas == 1);
  const auto own = grid({"--topology=hybrid", "--replicas=4", "--stages=3", "--cut=2,5"});
  CHECK(own.replicas == 4);
  CHECK(own.stages == 3);
  CHECK(own.cut == std::vector{2, 5});
  CHECK(grid({"--topology=pipeline", "--pipeline=interleaved"}).chunks == 2);
  CHECK(grid({"--topology=pipeline", "--recompute"}).recompute);
  CHECK(grid({"--replicas=4", "--groups=2"}).groups == 2);
  CHECK(grid({"--topology=hybrid", "--replicas=4", "--groups=2"}).groups == 2);
  CHECK(wrong_of({"--topology=pipeline", "--groups=2"}).find("topology pipeline has no --groups") !=
        std::string::npos);
  CHECK(grid({"--replicas=2", "--balance"}).balance_shares);
  CHECK(grid({"--topology=hybrid", "--backups=2"}).backups == 2);
  CHECK(grid({"--topology=pipeline", "--backups=1"}).backups == 1);
  CHECK(wrong_of({"--topology=pipeline", "--balance"}).find("topology pipeline has no --balance") !=
        std::string::npos);
  CHECK(wrong_of({"--wiring=w.json", "--balance"})
            .find("--wiring and --balance contradict each other") != std::string::npos);
  CHECK(grid({"--split-layers", "100000"}).block_bytes_max == 100000);
  CHECK(grid({"--merge-layers", "4000000"}).block_bytes_min == 4'000'000);
}

TEST_CASE("a schedule of a file says its stages and parts") {
  const test::scratch_folder here;
  const auto file = here.write("own", text(interleaved(3, 6, 4)));
  const auto grid = options({"--topology", "pipeline", "--pipeline", file}).wired.grid;
  CHECK(grid.own_schedule == interleaved(3, 6, 4));
  CHECK(grid.stages == 3);
  CHECK(grid.chunks == 2);
  CHECK(wrong_of({"--topology", "pipeline", "--pipeline", here.write("bad", "schedule x")})
            .find("the first line is cut off") != std::string::npos);
  CHECK(wrong_of({"--topology", "pipeline", "--pipeline", "1f2b"}) ==
        "error: there is no schedule and no file '1f2b'\n"
        "  --> --pipeline 1f2b\n"
        "  gpipe, 1f1b, interleaved or zero-bubble are known\n"
        "  help: did you mean '1f1b'?\n");
}

TEST_CASE("gradients are compressed on request") {
  CHECK(options({}).compression == nullptr);
  CHECK(options({"--compress", "top-k 0.01"}).compression->text() == "top-k 0.01");
  CHECK(options({"--compress=int8", "--compress-microbatches=2"}).compressed_microbatches == 2);
  CHECK(wrong_of({"--compress=fp17"}).find("fp16") != std::string::npos);
}

TEST_CASE("islands get a replica each unless somebody says more") {
  CHECK(options({}).outer.islands == 0);
  const auto o =
      options({"--islands=4", "--outer-every=16", "--outer-rate=1", "--outer-momentum=0"});
  CHECK(o.outer.text() == "4 islands, every 16 steps sgd, rate 1");
  CHECK(o.wired.grid.replicas == 4);
  CHECK(options({"--islands=2"}).outer.text() ==
        "2 islands, every 8 steps sgd momentum 0.9 nesterov, rate 0.7");
  CHECK(options({"--islands=2", "--replicas=8"}).wired.grid.replicas == 8);
  CHECK(wrong_of({"--outer-every=0"}).find("--outer-every") != std::string::npos);
  CHECK(wrong_of({"--islands=x"}).find("--islands") != std::string::npos);
}

TEST_CASE("a parameter server is asynchronous unless it is told otherwise") {
  const auto order = [&](std::vector<std::string> flags) {
    flags.insert(flags.begin(), "--topology=parameter-server");
    return text(options(flags).wired.grid.order);
  };
  CHECK(order({}) == "ASP");
  CHECK(order({"--consistency=bsp"}) == "BSP");
  CHECK(order({"--consistency", "ssp:4"}) == "SSP(4)");
  CHECK(order({"--staleness-aware"}) == "ASP, staleness-aware rate");
  CHECK(order({"--delay-compensation=0.04"}) == "ASP, delay compensation 0.04");
  CHECK(options({"--topology=pipeline", "--stash-weights"}).wired.grid.stash_weights);
}

TEST_CASE("an option that the topology has no use for is refused") {
  for (const char* useless : {"--stages=2",
                              "--chunks=2",
                              "--pipeline=gpipe",
                              "--cut=2",
                              "--recompute",
                              "--stash-weights",
                              "--consistency=asp"})
    CHECK_MESSAGE(wrong_of({useless}).find("topology data-parallel has no --") != std::string::npos,
                  useless);
  CHECK(wrong_of({"--topology", "pipeline", "--replicas", "2"}) ==
        "error: topology pipeline has no --replicas\n"
        "  --> --replicas 2\n"
        "  it is one replica\n"
        "  help: --topology hybrid\n");
  CHECK(wrong_of({"--topology=hybrid", "--consistency=ssp"}).find("ssp:N and asp are known") !=
        std::string::npos);
  CHECK(wrong_of({"--topology=hybrid", "--staleness-aware"}).find("no staleness to correct") !=
        std::string::npos);
  CHECK(wrong_of({"--topology", "ring"})
            .find("data-parallel, pipeline, parameter-server or hybrid are known") !=
        std::string::npos);
}

TEST_CASE("a configuration's topology binds no flag that names another") {
  const test::scratch_folder here;
  const auto with = [&](const std::string& config, std::vector<std::string> flags) {
    std::vector<std::string> words = {"train", "--config", here.write("job.toml", config)};
    words.insert(words.end(), flags.begin(), flags.end());
    return train_options_of(parse_command_line(words, nullptr).values).wired;
  };
  // As a run folder's job.toml says it, defaults included.
  const std::string kept = "topology = \"pipeline\"\nreplicas = 2\nstages = 3\nchunks = \"\"\n"
                           "pipeline = \"gpipe\"\nrecompute = false\n";
  CHECK(with(kept, {}).grid.stages == 3);
  CHECK(with(kept, {}).grid.replicas == 1);
  CHECK(with(kept, {"--topology", "data-parallel"}).grid.stages == 1);
  CHECK_THROWS_AS(with("stages = 3", {}), mistakes);
}

TEST_CASE("a wiring of a file is played, and takes no other word of who computes") {
  const test::scratch_folder here;
  const auto data = load_data("synthetic:200", 1);
  const auto w = wiring_of(options({"--topology=pipeline", "--model=mlp", "--batch=20"}), data);
  save_wiring(w, here.file("w.json"));
  const auto again = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"--wiring", here.file("w.json"), "--model=mlp"});
    return wiring_of(options(more), data);
  };
  CHECK(again({"--batch=20"}).roles == w.roles);
  CHECK_THROWS_AS(again({"--batch=40"}), mistakes);
  CHECK(wrong_of({"--wiring", "w.json", "--stages", "3"}) ==
        "error: --wiring and --stages contradict each other\n"
        "  --> --wiring w.json, --stages 3\n"
        "  the file says who computes what\n"
        "  help: leave one of them out, or edit the file\n");
  auto broken = w;
  broken.roles.pop_back();
  save_wiring(broken, here.file("w.json"));
  try {
    again({"--batch=20"});
    CHECK(false);
  } catch (const mistakes& wrong) {
    CHECK(wrong.all().back().what == "the wiring has no recorder");
    CHECK(wrong.all().back().where.find("w.json: ") != std::string::npos);
  }
}

TEST_CASE("a stage of a pipeline can be killed") {
  const auto kills = [](const std::string& who) {
    return wiring_of(options({"--topology=pipeline", "--kill", who + "@step=3", "--batch=20"}),
                     load_data("synthetic:200", 1));
  };
  CHECK(kills("layer_shard/0/1").stages == 2);
  CHECK_THROWS_AS(kills("layer_shard/0/2"), mistakes);
}

TEST_CASE("data that cannot be loaded ends with the exit code of the case") {
  const auto code = [](const std::string& spec) {
    try {
      load_data_of(spec, 0, 1, "");
    } catch (const mistakes& wrong) {
      CHECK(wrong.all().front().where == "--data " + spec);
      return static_cast<int>(wrong.code());
    }
    return 0;
  };
  CHECK(code("synthetic:200") == exit_done);
  CHECK(code("fashion-mnst") == exit_usage);
  CHECK(code("synthetic:x") == exit_usage);
}

TEST_CASE("help shows examples before options") {
  const std::string text = parse_command_line({"train", "--help"}, nullptr).text;
  const auto examples = text.find("Examples:"), batch = text.find("--batch N (128)");
  CHECK(examples != std::string::npos);
  CHECK(batch != std::string::npos);
  CHECK(examples < batch);
  CHECK(text.find("--[no-]shuffle (on)") != std::string::npos);
  CHECK(parse_command_line({}, nullptr).text.find("troupe plan") != std::string::npos);
}
