#include "cli/launch_nodes.hpp"

#include "cli/mistakes.hpp"
#include "net/keys.hpp"
#include "net/trust.hpp"
#include "net/zeromq/curve.hpp"
#include "ops/files/atomic_file.hpp"

#include <fmt/format.h>

#include <filesystem>

namespace troupe::cli {

namespace fs = std::filesystem;

environment_variables variables_for(const node_place& place) {
  environment_variables out = variables_of_process();
  for (const std::string& name : place_variables())
    out.erase(name);
  out["TROUPE_RANK"] = fmt::to_string(place.number);
  out["TROUPE_WORLD"] = fmt::to_string(place.count);
  out["TROUPE_LOCAL_RANK"] = fmt::to_string(place.local_number);
  out["TROUPE_RESTART"] = fmt::to_string(place.restarts);
  if (!place.coordinator.empty()) out["TROUPE_COORDINATOR"] = place.coordinator;
  if (!place.job.empty()) out["TROUPE_JOB"] = place.job;
  if (!place.keys.empty()) out["TROUPE_KEYS"] = place.keys;
  if (!place.trusted.empty()) out["TROUPE_TRUSTED"] = place.trusted;
  out.erase("TROUPE_SHARE_TENSORS");
  if (!place.share_tensors) out["TROUPE_SHARE_TENSORS"] = "false";
  if (place.spare >= 0) out["TROUPE_SPARE"] = fmt::to_string(place.spare);
  return out;
}

std::string make_node_folder(const std::string& folder, const std::string& node) {
  const fs::path out = fs::path(folder) / "nodes" / node;
  std::error_code code;
  fs::create_directories(out, code);
  if (code)
    throw mistakes({.what = fmt::format("cannot make {}", out.string()),
                    .where = "--log-folder " + folder,
                    .why = code.message(),
                    .help = "choose a folder that you may write"},
                   exit_environment);
  return out.string();
}

void make_node_keys(const std::string& folder, std::uint32_t count) {
  const std::string file = (fs::path(folder) / "trusted").string();
  net::trust_list list;
  if (fs::exists(file)) list = net::trust_list::parse(read_file(file), file);
  for (std::uint32_t n = 0; n < count; ++n) {
    const std::string name = fmt::format("node-{}", n);
    if (!fs::exists(fs::path(folder) / (name + ".secret")))
      net::write_key_files(net::make_key_pair(name), folder);
    const auto key = net::read_secret_file((fs::path(folder) / (name + ".secret")).string());
    if (const auto* known = list.find(key.public_key); known != nullptr && known->may_be(n))
      continue;
    list.allow({key.name, key.public_key, {{n, n}}});
  }
  write_file_atomically(file, list.text());
}

std::string driver_name(const std::vector<std::string>& program) {
  return fs::path(program.front()).filename().string();
}

} // namespace troupe::cli
