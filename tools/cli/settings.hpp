// Settings are what options, the environment and a configuration file can say. They are kept as
// text with the place that said it, so that an error can point there, `--print-config` can show it
// and the run folder can keep it. A later place wins: default, file, environment (TROUPE_*), flag.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace troupe::cli {

enum class setting_kind {
  number,
  text,
  list, // comma separated
  flag, // true or false; --name and --no-name
};

struct setting {
  std::string group;     // heading in help and file
  std::string name;      // "learning-rate"
  std::string value;     // what help calls its value: "RATE"; empty for a flag
  std::string otherwise; // the default, as text
  std::string help;
  setting_kind kind = setting_kind::text;
  bool repeats = false; // may be given several times
  bool kept = true;     // written to the run folder's job.toml
  char brief = 0;       // 'n' where -n says it, too
  bool bare = false;    // a word without --name says it, too
};

using setting_list = std::vector<setting>;

setting_list train_settings();  // of `troupe train` and `troupe plan`
setting_list wiring_settings(); // those of a training, and what to do with its wiring
setting_list simulate_settings();
setting_list calibrate_settings();
setting_list eval_settings();
setting_list bench_settings();
setting_list keys_settings();
setting_list launch_settings();
setting_list launch_slurm_settings();
setting_list node_settings();
setting_list top_settings();
setting_list why_settings();
setting_list kill_settings();
setting_list inject_settings();
setting_list chaos_settings();
setting_list drain_settings();
setting_list stop_settings();
setting_list doctor_settings();

enum class origin { standard, file, environment, flag };

struct setting_value {
  std::vector<std::string> values; // one, unless the setting repeats
  origin from = origin::standard;
  std::string where; // "--batch 6x", "job.toml:12", "TROUPE_BATCH=6x"
};

using setting_values = std::map<std::string, setting_value>;

// Words of the command line, by setting, in their order.
using flag_words = std::map<std::string, std::vector<std::string>>;

// The value of an environment variable, or null.
using environment = std::function<const char*(const std::string&)>;

// Reads `key = value` lines: comments (#), 'text', "text", bare words, [lists]; a heading such as
// [train] is skipped. Throws mistakes naming line and key.
setting_values
read_config(const std::string& text, const std::string& name, const setting_list& known);

setting_values resolve(const setting_list& known,
                       const setting_values& file,
                       const environment& surroundings,
                       const flag_words& flags);

std::string variable_of(const setting& s); // "TROUPE_LEARNING_RATE"

// The configuration; read_config reads it back. With origins, each line ends in a comment that says
// where its value came from, and settings that belong to one run alone (not kept) are shown too.
std::string config_text(const setting_list& known, const setting_values& values, bool origins);

} // namespace troupe::cli
