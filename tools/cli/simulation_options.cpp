#include "cli/simulation_options.hpp"

#include "cli/cluster_text.hpp"
#include "cli/failures.hpp"
#include "cli/mistakes.hpp"
#include "cli/scenario.hpp"
#include "ops/files/atomic_file.hpp"

#include <fmt/format.h>

#include <cstdint>
#include <utility>

namespace troupe::cli {

simulation_options simulation_options_of(const setting_values& values) {
  value_reader read(values);
  simulation_options out;
  auto& model = out.cluster.model;
  std::vector<error_text> wrong;
  if (const auto path = read.text("machine"); !path.empty()) try {
      set_machine(out.cluster, load_machine_profile(path));
    } catch (const error& e) {
      wrong.push_back(e.text());
    }
  // The scenario says what the command line leaves open.
  if (const auto path = read.text("scenario"); !path.empty()) try {
      read_scenario(read_file(path), path, out.cluster, out.faults, wrong);
    } catch (const error& e) {
      wrong.push_back(e.text());
    }
  const auto said = [&](const char* name) { return read.value(name).from != origin::standard; };
  if (said("nodes")) out.cluster.nodes = static_cast<int>(read.whole("nodes", 0, 1'000'000));
  if (said("world-seed"))
    model.seed = static_cast<std::uint64_t>(read.whole("world-seed", 0, INT64_MAX));
  if (said("any-order"))
    model.order = read.flag("any-order") ? exploration::anything : exploration::by_time;
  for (const std::string& text : read.value("node").values)
    parse_node(text, model, wrong);
  for (const std::string& text : read.value("link").values)
    parse_link(text, model, wrong);
  if (const auto racks = read.text("racks"); !racks.empty()) parse_racks(racks, model, wrong);
  for (const std::string& text : read.value("event").values)
    parse_event(text, "--event " + text, model, wrong);
  if (const auto rate = read.text("failures"); !rate.empty())
    out.cluster.failures = parse_failures(rate, wrong);
  if (said("gflops") && !read.text("machine").empty())
    read.add({.what = "a machine has FLOP/s of its own",
              .where = read.where("gflops"),
              .why = fmt::format("{} says how fast it is", read.text("machine")),
              .help = "leave --gflops out, or write flops = \"100 GFLOP/s\" in the file"});
  if (read.text("costs") != "measured" && read.text("machine").empty())
    out.cluster.costs.machine.flops_per_second = read.real("gflops", 1e-6, 1e9) * 1e9;
  out.measured = read.choice("costs", {"counted", "measured"}) == "measured";
  out.trace = read.text("trace");
  out.plot = read.text("plot");
  out.cluster.timing_only = read.flag("timing-only");
  if (out.cluster.timing_only && (read.flag("evaluate") || !read.text("save").empty()))
    read.add({.what = "without mathematics there is nothing to evaluate or save",
              .where = read.where("timing-only"),
              .why = "its weights mean nothing",
              .help = "leave --evaluate and --save out"});
  for (auto& text : wrong)
    read.add(std::move(text));
  if (!read.wrong().empty()) throw mistakes(read.wrong());
  return out;
}

} // namespace troupe::cli
