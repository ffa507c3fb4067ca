#include "cli/commands.hpp"
#include "cli/help.hpp"
#include "cli/mistakes.hpp"
#include "cli/progress.hpp"
#include "gpu/open_device.hpp"
#include "ops/data/dataset.hpp"
#include "ops/error.hpp"
#include "ops/files/count_text.hpp"
#include "ops/program.hpp"
#include "troupe/cluster_environment.hpp"

#include <caf/config.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

namespace troupe::cli {

namespace {

using json = nlohmann::ordered_json;

std::string version_of(int packed, int radix) {
  return fmt::format("{}.{}.{}", packed / radix / radix, packed / radix % radix, packed % radix);
}

json versions() {
  json out = {{"troupe", TROUPE_VERSION}};
#if defined(__clang__)
  out["compiler"] = "clang " __clang_version__;
#else
  out["compiler"] = "gcc " __VERSION__;
#endif
  out["CAF"] = version_of(CAF_VERSION, 100);
  out["fmt"] = version_of(FMT_VERSION, 100);
  out["nlohmann-json"] = fmt::format("{}.{}.{}",
                                     NLOHMANN_JSON_VERSION_MAJOR,
                                     NLOHMANN_JSON_VERSION_MINOR,
                                     NLOHMANN_JSON_VERSION_PATCH);
  return out;
}

std::vector<std::string> cpu_features() {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line) && line.rfind("flags", 0) != 0) {
  }
  std::istringstream words(line);
  std::vector<std::string> out;
  for (std::string word; words >> word;)
    for (const char* known :
         {"sse4_2", "avx2", "fma", "avx512f", "avx512bw", "avx512_vnni", "avx512_bf16", "amx_bf16"})
      if (word == known) out.push_back(word);
  return out;
}

std::uint64_t memory_bytes() {
  return static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
         static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

json data_sets() {
  json out = json::object();
  try {
    const data_split found = load_data("fashion-mnist", 1);
    out["fashion-mnist"] = fmt::format(
        "{} + {} images", count_text(found.train->size()), count_text(found.test->size()));
  } catch (const error& e) {
    out["fashion-mnist"] = fmt::format("not found: {}", e.text().help);
  }
  out["synthetic"] = "always there";
  return out;
}

json gpus() {
  json out = json::array();
  for (const gpu::device_description& d : gpu::cuda_devices())
    out.push_back(fmt::format("cuda:{} {}, compute capability {}.{}, {} of {} free",
                              d.index,
                              d.name,
                              d.major,
                              d.minor,
                              bytes_text(d.free_bytes),
                              bytes_text(d.memory_bytes)));
  if (out.empty()) out.push_back("none: " + gpu::why_no_cuda_device());
  return out;
}

std::string shown(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array()) return value.dump();
  std::string out;
  for (const json& part : value)
    out += (out.empty() ? "" : ", ") + shown(part);
  return out;
}

void print_section(const std::string& name, const json& rows) {
  fmt::print("{}\n", name);
  for (const auto& [key, value] : rows.items())
    fmt::print("  {:<16}{}\n", key, shown(value));
}

} // namespace

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  return "unknown";
}

int doctor(const command_line& line) {
  const json machine = {{"cpu", cpu_name()},
                        {"features", cpu_features()},
                        {"cores", std::thread::hardware_concurrency()},
                        {"memory", bytes_text(memory_bytes())},
                        {"gpu", gpus()}};
  const json found = {{"versions", versions()},
                      {"kernels", describe_cpu_backend()},
                      {"machine", machine},
                      {"data", data_sets()},
                      {"place", explain_place(variables_of_process())}};
  const auto& asked = line.values.at("json").values;
  if (!asked.empty() && asked.back() == "true") {
    fmt::print("{}\n", found.dump());
    return exit_done;
  }
  print_section("versions", found["versions"]);
  fmt::print("kernels\n");
  for (const auto& text : found["kernels"])
    fmt::print("  {}\n", shown(text));
  print_section("machine", found["machine"]);
  print_section("data sets", found["data"]);
  fmt::print("place in a job\n");
  std::istringstream place(found["place"].get<std::string>());
  for (std::string text; std::getline(place, text);)
    fmt::print("  {}\n", text);
  return exit_done;
}

} // namespace troupe::cli
