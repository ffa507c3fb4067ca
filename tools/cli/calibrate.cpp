#include "cli/commands.hpp"
#include "cli/mistakes.hpp"
#include "cli/run_folder.hpp"
#include "cli/values.hpp"
#include "ops/model.hpp"
#include "troupe/calibration.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>

namespace troupe::cli {

namespace {

std::string variable(const char* name) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing writes the environment.
  const char* said = std::getenv(name);
  return said == nullptr ? "" : said;
}

std::string usual_place() {
  const std::string own = variable("XDG_CONFIG_HOME");
  const auto folder = own.empty() ? std::filesystem::path(variable("HOME")) / ".config"
                                  : std::filesystem::path(own);
  return (folder / "troupe" / "machine.toml").string();
}

std::string place_of(const std::string& asked) {
  if (!asked.empty()) {
    check_writable(asked, "--out");
    return asked;
  }
  std::string out = usual_place();
  std::error_code problem;
  std::filesystem::create_directories(std::filesystem::path(out).parent_path(), problem);
  if (problem)
    throw mistakes({.what = fmt::format("cannot make the folder of {}", out),
                    .where = "troupe calibrate",
                    .why = problem.message(),
                    .help = "troupe calibrate --out machine.toml"},
                   exit_environment);
  return out;
}

calibration_options options_of(const setting_values& values) {
  value_reader read(values);
  calibration_options out{.models = read.list("models"),
                          .images = read.whole_list("images", 1),
                          .rounds = static_cast<int>(read.whole("rounds", 1, 1000)),
                          .seconds = read.real("seconds", 0.001, 60)};
  for (const std::string& model : out.models)
    try {
      model_by_name(model, 10);
    } catch (const error& e) {
      read.add(e.text());
    }
  if (!read.wrong().empty()) throw mistakes(read.wrong());
  if (::isatty(STDERR_FILENO) == 1)
    out.say = [](const std::string& what) {
      fmt::print(stderr, "\r\033[K{}", what);
      std::fflush(stderr);
    };
  return out;
}

// Of all kernels that begin with one layer: work over time.
struct layer_rate {
  double work = 0, forward = 0, inputs = 0, weights = 0; // FLOPs or floats; seconds
  bool computes = false;

  [[nodiscard]] std::string text(double seconds) const {
    if (seconds <= 0) return "-";
    return computes ? fmt::format("{:.0f} GFLOP/s", work / seconds / 1e9)
                    : fmt::format("{:.1f} GB/s", work * sizeof(float) / seconds / 1e9);
  }
};

std::string kernel_table(const machine_profile& m) {
  std::map<std::string, layer_rate> layers;
  for (const kernel_rate& k : m.kernels) {
    auto& to = layers[k.layers.substr(0, k.layers.find('+'))];
    to.computes = k.flops > 0;
    to.work += (to.computes ? k.flops : k.elements) * static_cast<double>(k.images);
    to.forward += k.forward;
    to.inputs += k.backward_inputs;
    to.weights += k.backward_weights;
  }
  auto out = fmt::format("  {:<24}{:>14}{:>20}{:>21}\n",
                         "layer, one core",
                         "forward",
                         "backward, inputs",
                         "backward, weights");
  for (const auto& [name, rate] : layers)
    out += fmt::format("  {:<24}{:>14}{:>20}{:>21}\n",
                       name,
                       rate.text(rate.forward),
                       rate.text(rate.inputs),
                       rate.text(rate.weights));
  return out;
}

std::string machine_table(const machine_profile& m) {
  std::string out;
  const auto row = [&](const char* name, const std::string& value) {
    out += fmt::format("{:<26}{}\n", name, value);
  };
  const auto bytes = [](double rate) { return fmt::format("{:.1f} GB/s", rate / 1e9); };
  row("machine", m.name);
  row("cores", std::to_string(m.cores));
  row("layers on average", fmt::format("{:.0f} GFLOP/s a core", m.flops_per_second / 1e9));
  row("memory, core to core", bytes(m.bytes_per_second));
  row("sums of gradients", bytes(m.sum_bytes_per_second));
  row("updates", bytes(m.update_bytes_per_second));
  row("reading images", bytes(m.read_bytes_per_second));
  row("message between actors",
      fmt::format("{:.2f} us", static_cast<double>(m.message.count()) / 1e3));
  row("overhead of a computation",
      fmt::format("{:.2f} us", static_cast<double>(m.overhead.count()) / 1e3));
  row("with all cores at work", fmt::format("{:.2f} times as long", m.busy.back()));
  return out;
}

} // namespace

int calibrate(const command_line& line) {
  const calibration_options options = options_of(line.values);
  const std::string place = place_of(value_reader(line.values).text("out"));
  machine_profile m = troupe::calibrate(options);
  m.name = cpu_name();
  if (options.say) options.say("");
  save_machine_profile(m, place);
  fmt::print("{}\n{}\nprofile  {}\nuse it   troupe simulate --machine {}\n",
             machine_table(m),
             kernel_table(m),
             place,
             place);
  return exit_done;
}

} // namespace troupe::cli
