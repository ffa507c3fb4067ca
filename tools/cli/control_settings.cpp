// What the commands take that ask a run which goes on.
#include "cli/settings.hpp"

namespace troupe::cli {

namespace {

constexpr auto flag = setting_kind::flag;

setting folder_setting() {
  return {.group = "Run",
          .name = "run-folder",
          .value = "FOLDER",
          .help = "of the job (the newest below runs/)",
          .bare = true};
}

} // namespace

setting_list why_settings() {
  return {folder_setting(),
          {"Screen", "json", "", "false", "print one JSON object", flag},
          {"Screen", "dot", "", "false", "print a graph for Graphviz", flag},
          {"Screen", "watch", "", "false", "ask again each second, until Ctrl-C", flag}};
}

setting_list kill_settings() {
  return {{.group = "Run",
           .name = "actor",
           .value = "ADDRESS",
           .help = "who, e.g. layer_shard/1/0",
           .bare = true},
          folder_setting()};
}

setting_list inject_settings() {
  return {{.group = "Run",
           .name = "fault",
           .value = "TEXT",
           .help = "what goes wrong, and when (docs/faults.md)",
           .bare = true},
          folder_setting()};
}

setting_list drain_settings() {
  return {{.group = "Run", .name = "node", .value = "NODE", .help = "its number", .bare = true},
          folder_setting()};
}

setting_list chaos_settings() {
  return {folder_setting(),
          {"Faults", "rate", "N/s", "2/s", "how often, on average; the times are random"},
          {"Faults", "kill", "WHO", "any", "an actor, or any of those that may die"},
          {"Faults", "for", "TIME", "", "how long (until Ctrl-C)"}};
}

setting_list stop_settings() {
  return {folder_setting()};
}

} // namespace troupe::cli
