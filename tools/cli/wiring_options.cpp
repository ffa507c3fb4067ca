#include "cli/wiring_options.hpp"

#include "cli/mistakes.hpp"

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
       {"stages", "chunks", "pipeline", "cut", "recompute"},
       "each replica computes the whole model",
       "--topology pipeline or --topology hybrid"},
      {"pipeline", {"replicas"}, "it is one replica", "--topology hybrid"},
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
                           "split-layers",
                           "stages",
                           "chunks",
                           "pipeline",
                           "cut",
                           "recompute"})
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
  out.stages = count_of(read, "stages", own ? own->stages : 2);
  const int chunks = own ? own->parts / own->stages : out.schedule == "interleaved" ? 2 : 1;
  out.chunks = count_of(read, "chunks", chunks);
  read_cut(read, all);
  out.recompute = read.flag("recompute");
}

} // namespace

wiring_options wiring_options_of(value_reader& read) {
  wiring_options out;
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
  const int replicas = static_cast<int>(read.whole("replicas", 1, 4096));
  out.grid.replicas = out.topology == "pipeline" ? 1 : replicas;
  out.grid.holders = static_cast<int>(read.whole("holders", 0, 4096));
  out.grid.block_bytes_max = read.whole("split-layers", 0, INT64_MAX);
  if (out.topology != "data-parallel") read_pipeline(read, out);
  return out;
}

} // namespace troupe::cli
