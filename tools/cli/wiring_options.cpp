#include "cli/wiring_options.hpp"

#include "cli/mistakes.hpp"
#include "gpu/open_device.hpp"
#include "troupe/units.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <utility>

namespace troupe::cli {

namespace {

struct known_topology {
  std::string name;
  std::vector<std::string> useless; // settings that it has no use for
  std::string why, instead;
};

const std::vector<known_topology>& topologies() {
  static const std::vector<known_topology> all = {
      {"data-parallel",
       {"stages",
        "chunks",
        "pipeline",
        "cut",
        "recompute",
        "stash-weights",
        "consistency",
        "staleness-aware",
        "delay-compensation"},
       "each replica computes the whole model, and they share each batch",
       "--topology pipeline, parameter-server or hybrid"},
      {"pipeline",
       {"replicas", "groups", "balance", "consistency", "staleness-aware", "delay-compensation"},
       "it is one replica",
       "--topology hybrid"},
      {"parameter-server",
       {"stash-weights"},
       "its workers read what their servers have",
       "--topology pipeline or hybrid"},
      {"hybrid", {}, "", ""}};
  return all;
}

const known_topology& named(const std::string& name) {
  return *std::find_if(
      topologies().begin(), topologies().end(), [&](const auto& t) { return t.name == name; });
}

bool of_person(origin from) {
  return from == origin::flag || from == origin::environment;
}

// A run folder's job.toml names every setting, so a file's word counts where it is no default and
// no person has named another topology or wiring since.
bool said(const value_reader& read, const std::string& name) {
  static const std::vector<std::string> defaults = {"", "0", "false", "data-parallel"};
  const auto& value = read.value(name);
  const std::string text = read.text(name);
  if (of_person(value.from)) return !text.empty() && text != "false";
  if (value.from != origin::file || of_person(read.value("topology").from) ||
      of_person(read.value("wiring").from))
    return false;
  if (name == "replicas") return text != "1" && text != "2"; // the default depends on the machine
  return std::find(defaults.begin(), defaults.end(), text) == defaults.end();
}

void refuse_useless(value_reader& read, const known_topology& t) {
  for (const std::string& name : t.useless)
    if (said(read, name))
      read.add({.what = fmt::format("topology {} has no --{}", t.name, name),
                .where = read.where(name),
                .why = t.why,
                .help = t.instead});
}

void refuse_beside_file(value_reader& read) {
  for (const char* name : {"topology",
                           "replicas",
                           "holders",
                           "holder-copies",
                           "groups",
                           "balance",
                           "backups",
                           "merge-layers",
                           "split-layers",
                           "spread-slices",
                           "stages",
                           "chunks",
                           "pipeline",
                           "cut",
                           "recompute",
                           "stash-weights",
                           "consistency",
                           "staleness-aware",
                           "delay-compensation"})
    if (said(read, name))
      read.add({.what = fmt::format("--wiring and --{} contradict each other", name),
                .where = fmt::format("{}, {}", read.where("wiring"), read.where(name)),
                .why = "the file says who computes what",
                .help = "leave one of them out, or edit the file"});
}

int count_of(value_reader& read, const std::string& name, int otherwise) {
  if (!said(read, name)) return otherwise;
  return static_cast<int>(read.whole(name, 1, 1024));
}

// A name, or a file that has one of the user's own.
void read_schedule(value_reader& read, hybrid_options& out) {
  if (!said(read, "pipeline")) return;
  out.schedule = read.text("pipeline");
  const auto& names = schedule_names();
  if (std::find(names.begin(), names.end(), out.schedule) != names.end()) return;
  if (!std::filesystem::exists(out.schedule)) {
    read.add({.what = fmt::format("there is no schedule and no file '{}'", out.schedule),
              .where = read.where("pipeline"),
              .why = choice_text(names) + " are known",
              .help = suggestion(out.schedule, names, "choose one of them")});
    return;
  }
  try {
    out.own_schedule = load_schedule(out.schedule);
  } catch (const error& e) {
    read.add(e.text());
  }
}

void read_cut(value_reader& read, wiring_options& out) {
  if (!said(read, "cut") || read.text("cut") == "counted") return;
  out.measured_cut = read.text("cut") == "measured";
  if (out.measured_cut) return;
  for (const std::int64_t piece : read.whole_list("cut", 1))
    out.grid.cut.push_back(static_cast<int>(std::min<std::int64_t>(piece, 1'000'000)));
}

void read_pipeline(value_reader& read, wiring_options& all) {
  hybrid_options& out = all.grid;
  read_schedule(read, out);
  const auto& own = out.own_schedule;
  const int stages = all.topology == "parameter-server" ? 1 : 2;
  out.stages = count_of(read, "stages", own ? own->stages : stages);
  const int chunks = own ? own->parts / own->stages : out.schedule == "interleaved" ? 2 : 1;
  out.chunks = count_of(read, "chunks", chunks);
  read_cut(read, all);
  out.recompute = read.flag("recompute");
  out.stash_weights = read.flag("stash-weights");
}

void read_devices(value_reader& read, wiring_options& all) {
  if (read.text("device") == "cpu") return;
  for (const std::string& device : read.list("device"))
    try {
      if (device != "cpu") gpu::parse_device_name(device, read.where("device"));
      all.devices.push_back(device);
    } catch (const error& e) {
      read.add(e.text());
    }
}

void read_consistency(value_reader& read, wiring_options& all) {
  consistency& out = all.grid.order;
  if (said(read, "consistency")) {
    const auto known = parse_consistency(read.text("consistency"));
    if (known)
      out = *known;
    else
      read.add({.what = fmt::format("'{}' is no consistency", read.text("consistency")),
                .where = read.where("consistency"),
                .why = "bsp, ssp:N and asp are known",
                .help = "--consistency ssp:4"});
  } else if (all.topology == "parameter-server") {
    out.kind = consistency_kind::asynchronous;
  }
  out.staleness_aware = out.staleness_aware || read.flag("staleness-aware");
  if (said(read, "delay-compensation"))
    out.delay_compensation = static_cast<float>(read.real("delay-compensation", 0, 1e6));
  if (!out.as_they_come() && (out.staleness_aware || out.delay_compensation != 0))
    read.add({.what = "there is no staleness to correct",
              .where = read.where(out.staleness_aware ? "staleness-aware" : "delay-compensation"),
              .why = "with bsp every gradient is of the newest parameters",
              .help = "add --consistency asp or ssp:N"});
}

} // namespace

wiring_options wiring_options_of(value_reader& read) {
  wiring_options out;
  read_devices(read, out);
  if (said(read, "wiring")) {
    out.file = read.text("wiring");
    refuse_beside_file(read);
    return out;
  }
  std::vector<std::string> names;
  for (const auto& t : topologies())
    names.push_back(t.name);
  out.topology = read.choice("topology", names);
  refuse_useless(read, named(out.topology));
  int replicas = static_cast<int>(read.whole("replicas", 1, 1'000'000));
  // One for each island, unless somebody says more. (Of what is no number others tell.)
  if (std::int64_t islands = 0; parse_whole(read.text("islands"), islands) && islands > 0 &&
                                islands <= 4096 && !said(read, "replicas"))
    replicas = static_cast<int>(islands);
  out.grid.replicas = out.topology == "pipeline" ? 1 : replicas;
  out.grid.holders = static_cast<int>(read.whole("holders", 0, 4096));
  out.grid.holder_copies = static_cast<int>(read.whole("holder-copies", 1, 16));
  out.grid.groups =
      out.topology == "pipeline" ? 0 : static_cast<int>(read.whole("groups", 0, 65'535));
  out.grid.balance_shares = out.topology != "pipeline" && read.flag("balance");
  out.grid.backups = static_cast<int>(read.whole("backups", 0, 4096));
  out.grid.block_bytes_min = read.whole("merge-layers", 0, INT64_MAX);
  out.grid.block_bytes_max = read.whole("split-layers", 0, INT64_MAX);
  out.grid.spread_slices = read.flag("spread-slices");
  if (out.topology != "data-parallel") read_pipeline(read, out);
  if (out.topology == "parameter-server" || out.topology == "hybrid") read_consistency(read, out);
  return out;
}

} // namespace troupe::cli
