#include "cli/settings.hpp"

#include "cli/mistakes.hpp"

#include <doctest/doctest.h>

#include <map>
#include <string>

using namespace troupe::cli;

namespace {

setting_list some() {
  return {{"Length", "batch", "N", "128", "", setting_kind::number},
          {"Length", "epochs", "N", "5", "", setting_kind::number},
          {"Learning", "optimizer", "NAME", "sgd", ""},
          {"Learning", "nesterov", "", "true", "", setting_kind::flag},
          {"Data", "augment", "LIST", "", "", setting_kind::list},
          {"Wiring", "kill", "WHO", "", "", setting_kind::text, true}};
}

environment variables(std::map<std::string, std::string> all) {
  return [all = std::move(all)](const std::string& name) -> const char* {
    const auto at = all.find(name);
    return at == all.end() ? nullptr : at->second.c_str();
  };
}

std::string text_of(const mistakes& wrong) {
  return wrong.what();
}

} // namespace

TEST_CASE("a flag wins over the environment, that over the file, that over the default") {
  const auto file = read_config("batch = 1\nepochs = 2\noptimizer = \"adam\"", "job.toml", some());
  const auto here = variables({{"TROUPE_BATCH", "10"}, {"TROUPE_EPOCHS", "20"}});
  const auto all = resolve(some(), file, here, {{"batch", {"100"}}});
  CHECK(all.at("batch").values.back() == "100");
  CHECK(all.at("batch").from == origin::flag);
  CHECK(all.at("batch").where == "--batch 100");
  CHECK(all.at("epochs").values.back() == "20");
  CHECK(all.at("epochs").where == "TROUPE_EPOCHS=20");
  CHECK(all.at("optimizer").values.back() == "adam");
  CHECK(all.at("optimizer").where == "job.toml:3  optimizer = \"adam\"");
  CHECK(all.at("nesterov").values.back() == "true");
  CHECK(all.at("nesterov").from == origin::standard);
}

TEST_CASE("the last of a repeated flag counts, unless the setting repeats") {
  const flag_words words = {{"batch", {"1", "2"}}, {"kill", {"a", "b"}}, {"nesterov", {"false"}}};
  const auto all = resolve(some(), {}, nullptr, words);
  CHECK(all.at("batch").values == std::vector<std::string>{"2"});
  CHECK(all.at("kill").values == std::vector<std::string>{"a", "b"});
  CHECK(all.at("nesterov").where == "--no-nesterov");
}

TEST_CASE("a configuration file has comments, headings, quotes and lists") {
  const auto values = read_config("# a comment\n"
                                  "[train]\n"
                                  "batch = 64 # at the end\n"
                                  "optimizer = 'adam # no comment'\n"
                                  "augment = [\"flip\", \"shift:2\"]\n"
                                  "kill = [\"a@step=1,message=2\", \"b@step=2\"]\n",
                                  "f",
                                  some());
  CHECK(values.at("batch").values.back() == "64");
  CHECK(values.at("optimizer").values.back() == "adam # no comment");
  CHECK(values.at("augment").values.back() == "flip,shift:2");
  CHECK(values.at("kill").values == std::vector<std::string>{"a@step=1,message=2", "b@step=2"});
}

TEST_CASE("mistakes in a configuration file name file and line, all at once") {
  try {
    read_config("batch = 64\nbacth = 3\nepochs\noptimizer = \"adam\n", "job.toml", some());
    FAIL("read_config took it");
  } catch (const mistakes& wrong) {
    CHECK(text_of(wrong) == "error: unknown setting 'bacth'\n"
                            "  --> job.toml:2  bacth = 3\n"
                            "  help: did you mean 'batch'?\n"
                            "error: a line of the configuration says nothing\n"
                            "  --> job.toml:3  epochs\n"
                            "  a line is a setting, '=' and its value\n"
                            "  help: batch = 128\n"
                            "error: the text of 'optimizer' has no end\n"
                            "  --> job.toml:4  optimizer = \"adam\n"
                            "  its quotation mark is not closed\n"
                            "  help: optimizer = \"...\"\n");
    CHECK(wrong.code() == exit_usage);
  }
}

TEST_CASE("a written configuration reads back as it was") {
  const flag_words words = {{"batch", {"7"}},
                            {"augment", {"flip,crop:3"}},
                            {"optimizer", {"it's \"odd\""}},
                            {"kill", {"layer_shard/1/0@step=3,message=2", "director@step=9"}},
                            {"nesterov", {"false"}}};
  auto odd = words;
  odd["optimizer"] = {"a # b"};
  const auto before = resolve(some(), {}, nullptr, odd);
  for (const bool origins : {false, true}) {
    const auto file = read_config(config_text(some(), before, origins), "f", some());
    const auto after = resolve(some(), file, nullptr, {});
    for (const auto& [name, value] : before)
      CHECK_MESSAGE(after.at(name).values == value.values, name);
  }
}

TEST_CASE("origins are shown beside the values") {
  const auto file = read_config("epochs = 2", "job.toml", some());
  const auto all =
      resolve(some(), file, variables({{"TROUPE_OPTIMIZER", "adam"}}), {{"batch", {"64"}}});
  CHECK(config_text(some(), all, true) ==
        "# Length\n"
        "batch = 64                           # flag: --batch 64\n"
        "epochs = 2                           # config file: job.toml:1\n"
        "\n# Learning\n"
        "optimizer = \"adam\"                   # environment: TROUPE_OPTIMIZER=adam\n"
        "nesterov = true                      # default\n"
        "\n# Data\n"
        "augment = \"\"                         # default\n"
        "\n# Wiring\n"
        "kill = []                            # default\n");
}
