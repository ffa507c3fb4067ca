#include "cli/command_line.hpp"

#include "cli/help.hpp"
#include "cli/mistakes.hpp"
#include "cli/run_folder.hpp"
#include "ops/error.hpp"
#include "ops/files/atomic_file.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <memory>

namespace troupe::cli {

namespace {

struct command {
  std::string name;
  setting_list settings;
  bool configurable = false; // takes --config and --print-config
  CLI::App* app = nullptr;
  bool runs = false; // another program, whose words come after --
};

std::vector<command> commands() {
  return {{"train", train_settings(), true, nullptr},
          {"plan", train_settings(), true, nullptr},
          {"wiring", wiring_settings(), true, nullptr},
          {"simulate", simulate_settings(), true, nullptr},
          {"calibrate", calibrate_settings(), false, nullptr},
          {"eval", eval_settings(), true, nullptr},
          {"bench", bench_settings(), false, nullptr},
          {"keys", keys_settings(), false, nullptr},
          {"launch", launch_settings(), false, nullptr, true},
          {"launch-slurm", launch_slurm_settings(), false, nullptr, true},
          {"node", node_settings(), false, nullptr, true},
          {"top", top_settings(), false, nullptr},
          {"why", why_settings(), false, nullptr},
          {"kill", kill_settings(), false, nullptr},
          {"inject", inject_settings(), false, nullptr},
          {"chaos", chaos_settings(), false, nullptr},
          {"drain", drain_settings(), false, nullptr},
          {"stop", stop_settings(), false, nullptr},
          {"doctor", doctor_settings(), false, nullptr}};
}

void add_setting(CLI::App& app, const setting& s) {
  const std::string name = "--" + s.name;
  if (s.kind == setting_kind::flag) {
    app.add_flag(name + "{true},!--no-" + s.name, s.help)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
        ->option_text(s.otherwise == "true" ? "(on)" : "(off)")
        ->group(s.group);
    return;
  }
  const std::string names = (s.brief != 0 ? fmt::format("-{},", s.brief) : "") + name;
  app.add_option(names + (s.bare ? "," + s.name : ""), s.help)
      ->type_size(1)
      ->expected(1, CLI::detail::expected_max_vector_size)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->option_text(s.value + (s.otherwise.empty() ? "" : fmt::format(" ({})", s.otherwise)))
      ->group(s.group);
}

void add_command(CLI::App& app, command& c) {
  c.app = app.add_subcommand(c.name, command_summary(c.name));
  c.app->formatter(help_formatter(c.name));
  c.app->set_help_flag("--help,-h", "this text");
  for (const setting& s : c.settings)
    add_setting(*c.app, s);
  if (!c.configurable) return;
  c.app->add_option("--config", "settings of a file, e.g. a run folder's job.toml")
      ->option_text("FILE")
      ->group("Configuration");
  c.app->add_flag("--print-config")
      ->description("show each value and where it came from")
      ->group("Configuration");
}

std::vector<std::string> option_names(const command& c) {
  std::vector<std::string> out{"--help"};
  if (c.configurable) out.insert(out.end(), {"--config", "--print-config"});
  for (const setting& s : c.settings)
    out.push_back("--" + s.name);
  return out;
}

// The one word that nothing takes, told with the nearest that something does.
[[noreturn]] void throw_unexpected(const std::vector<std::string>& rest, const command* c) {
  std::vector<std::string> names;
  for (const command& known : commands())
    names.push_back(known.name);
  const std::string word = rest.empty() ? "" : rest.front();
  if (c == nullptr)
    throw mistakes({.what = fmt::format("unknown command '{}'", word),
                    .where = "troupe " + word,
                    .why = "",
                    .help = suggestion(word, names, "troupe --help lists the commands")});
  const std::string name = word.substr(0, word.find('='));
  const std::string list = fmt::format("troupe {} --help lists the options", c->name);
  const bool option = name.rfind('-', 0) == 0;
  throw mistakes({.what = option ? fmt::format("unknown option {}", name)
                                 : fmt::format("nothing takes the word '{}'", word),
                  .where = fmt::format("troupe {} {}", c->name, word),
                  .why = "",
                  .help = option ? suggestion(name, option_names(*c), list) : list});
}

flag_words words_of(const command& c) {
  flag_words out;
  for (const setting& s : c.settings) {
    const CLI::Option* option = c.app->get_option("--" + s.name);
    if (option->count() > 0) out[s.name] = option->results();
  }
  return out;
}

std::string last_of(const flag_words& words, const std::string& name) {
  const auto at = words.find(name);
  return at == words.end() || at->second.empty() ? "" : at->second.back();
}

std::string config_file(const command& c, const flag_words& words) {
  if (c.configurable && c.app->count("--config") > 0)
    return c.app->get_option("--config")->results().back();
  // A resumed run goes on with the options that it was started with.
  return c.configurable ? job_file_of_resume(last_of(words, "resume")) : "";
}

setting_values read_file_settings(const std::string& path, const command& c, bool resuming) {
  if (path.empty()) return {};
  std::string text;
  try {
    text = read_file(path);
  } catch (const error& e) {
    error_text wrong = e.text();
    if (wrong.where.empty()) wrong.where = "--config " + path;
    throw mistakes(std::move(wrong));
  }
  setting_values out = read_config(text, path, c.settings);
  if (resuming)
    for (const char* once : {"load", "kill", "inject", "faults"})
      out.erase(once);
  return out;
}

void parse(CLI::App& app, std::vector<std::string> words, const std::vector<command>& all) {
  const command* chosen = nullptr;
  for (const command& c : all)
    if (!words.empty() && words.front() == c.name) chosen = &c;
  if (chosen == nullptr && !words.empty() && words.front().rfind('-', 0) != 0)
    throw_unexpected(words, nullptr);
  std::reverse(words.begin(), words.end()); // CLI11 takes them from the back
  try {
    app.parse(words);
  } catch (const CLI::ExtrasError&) {
    auto rest = chosen != nullptr ? chosen->app->remaining() : app.remaining();
    if (rest.empty()) rest = app.remaining(true);
    throw_unexpected(rest, chosen);
  } catch (const CLI::ArgumentMismatch& e) {
    const std::string name = std::string(e.what()).substr(0, std::string(e.what()).find(':'));
    throw mistakes({.what = fmt::format("option {} has no value", name),
                    .where = chosen == nullptr ? "troupe" : "troupe " + chosen->name,
                    .why = e.what(),
                    .help = fmt::format("{} VALUE", name)});
  }
}

} // namespace

namespace {

// Takes what comes after -- from `words`, if their command runs a program.
std::vector<std::string> take_program(std::vector<std::string>& words,
                                      const std::vector<command>& all) {
  if (words.size() > 1 && words[0] == "launch" && words[1] == "slurm") {
    words.erase(words.begin());
    words[0] = "launch-slurm";
  }
  const auto is_named = [&](const command& c) { return !words.empty() && c.name == words[0]; };
  const auto c = std::find_if(all.begin(), all.end(), is_named);
  const auto dashes = std::find(words.begin(), words.end(), "--");
  if (c == all.end() || !c->runs || dashes == words.end()) return {};
  std::vector<std::string> out(dashes + 1, words.end());
  words.erase(dashes, words.end());
  return out;
}

void check_program(const command_line& line) {
  if (line.program.empty())
    throw mistakes({.what = "nothing says which program the nodes are",
                    .where = "troupe " + line.command,
                    .why = "it and its words come after --",
                    .help = fmt::format("troupe {} ... -- ./driver --its-option", line.command)});
}

} // namespace

command_line parse_command_line(const std::vector<std::string>& all_words,
                                const environment& surroundings) {
  CLI::App app;
  app.name("troupe");
  app.formatter(help_formatter(""));
  app.set_help_flag("--help,-h", "this text");
  app.add_flag("--version")->description("the version");
  std::vector<command> all = commands();
  for (command& c : all)
    add_command(app, c);

  command_line out;
  std::vector<std::string> words = all_words;
  out.program = take_program(words, all);
  try {
    parse(app, words, all);
  } catch (const CLI::CallForHelp&) {
    const CLI::App* shown = &app;
    for (const command& c : all)
      if (c.app->parsed()) shown = c.app;
    out.text = shown->help(shown == &app ? "" : "troupe");
    return out;
  } catch (const CLI::ParseError& e) {
    throw mistakes({.what = e.what(), .where = "", .why = "", .help = "troupe --help"});
  }
  if (app.count("--version") > 0) {
    out.text = version_text() + "\n";
    return out;
  }
  const auto chosen = std::find_if(all.begin(), all.end(), [](auto& c) { return c.app->parsed(); });
  if (chosen == all.end()) {
    out.text = app.help();
    return out;
  }
  const flag_words said = words_of(*chosen);
  const std::string path = config_file(*chosen, said);
  const bool resuming = !last_of(said, "resume").empty();
  out.command = chosen->name;
  if (chosen->runs) check_program(out);
  out.known = chosen->settings;
  // The variables of who runs a program are those of its place, and perhaps of another job.
  const environment& asked = chosen->runs ? environment() : surroundings;
  out.values = resolve(out.known, read_file_settings(path, *chosen, resuming), asked, said);
  out.print_config = chosen->configurable && chosen->app->count("--print-config") > 0;
  return out;
}

} // namespace troupe::cli
