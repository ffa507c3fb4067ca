#include "troupe/devices.hpp"

#include "gpu/open_device.hpp"
#include "troupe/topology.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <utility>

namespace troupe {

namespace {

bool computes(const address& who) {
  return who.role == role_kind::layer_shard || who.role == role_kind::evaluator;
}

} // namespace

std::vector<error_text> device_mistakes_of(const wiring& w) {
  std::vector<error_text> out;
  for (const wired_role& role : w.roles) {
    if (role.device.empty()) continue;
    const auto who = role.where.text();
    if (!computes(role.where))
      out.push_back({.what = fmt::format("{} computes on {}", who, role.device),
                     .where = who,
                     .why = "layer shards and evaluators compute on devices, all others on CPUs",
                     .help = "leave its device out"});
    try {
      gpu::parse_device_name(role.device, who);
    } catch (const error& e) {
      out.push_back(e.text());
    }
  }
  return out;
}

wiring on_devices(wiring w, const std::vector<std::string>& devices, int nodes) {
  if (devices.empty())
    throw error({.what = "there is no device to compute on",
                 .where = "devices",
                 .help = "name one: cuda:0, or cpu"});
  std::vector<std::string> names;
  for (const std::string& device : devices) {
    if (device != "cpu") gpu::parse_device_name(device, "devices");
    names.push_back(device == "cpu" ? std::string() : device);
  }
  std::map<std::pair<role_kind, int>, std::size_t> placed; // by node
  for (wired_role& role : w.roles)
    if (computes(role.where))
      role.device =
          names[placed[{role.where.role, role.node % std::max(nodes, 1)}]++ % names.size()];
  w.name += fmt::format(" on {}", fmt::join(devices, ", "));
  return w;
}

} // namespace troupe
