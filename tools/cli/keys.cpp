#include "net/keys.hpp"

#include "cli/commands.hpp"
#include "cli/mistakes.hpp"
#include "cli/values.hpp"
#include "net/trust.hpp"
#include "net/zeromq/curve.hpp"
#include "ops/files/atomic_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <map>

namespace troupe::cli {

namespace {

namespace fs = std::filesystem;

struct wishes {
  std::string folder, list; // of key files; the list of trusted keys
  std::string make, allow, forbid, nodes;
};

wishes wishes_of(const setting_values& values) {
  value_reader read(values);
  wishes out{.folder = read.text("folder"),
             .list = read.text("trusted"),
             .make = read.text("make"),
             .allow = read.text("allow"),
             .forbid = read.text("forbid"),
             .nodes = read.text("nodes")};
  if (out.list.empty()) out.list = (fs::path(out.folder) / "trusted").string();
  const auto good = [](unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '_'; };
  if (!std::all_of(out.make.begin(), out.make.end(), good))
    read.add({.what = fmt::format("'{}' is no name of a key", out.make),
              .where = read.where("make"),
              .why = "a name has letters, digits, - and _",
              .help = "--make worker-1"});
  if (!out.nodes.empty() && out.allow.empty())
    read.add({.what = "--nodes says nothing alone",
              .where = read.where("nodes"),
              .why = "",
              .help = "--allow FILE.public --nodes " + out.nodes});
  if (!read.wrong().empty()) throw mistakes(read.wrong());
  return out;
}

net::trust_list list_of(const std::string& path) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return {};
  return net::trust_list::parse(read_file(path), path);
}

void save(const net::trust_list& list, const std::string& path) {
  const auto folder = fs::path(path).parent_path();
  if (!folder.empty()) fs::create_directories(folder);
  write_file_atomically(path, list.text());
}

void make(const wishes& w) {
  net::write_key_files(net::make_key_pair(w.make), w.folder);
  const auto base = (fs::path(w.folder) / w.make).string();
  fmt::print("{}.public   to give away\n{}.secret   for node '{}' alone\n", base, base, w.make);
  fmt::print(stderr, "to let it join: troupe keys --allow {}.public --nodes 1\n", base);
}

void allow(const wishes& w) {
  const auto key = net::read_public_file(w.allow);
  const std::string nodes = w.nodes.empty() ? "any" : w.nodes;
  net::trust_list list = list_of(w.list);
  list.allow({key.name, key.public_key, net::parse_nodes(nodes, "--nodes " + w.nodes)});
  save(list, w.list);
  fmt::print("{}: '{}' may be node {}\n", w.list, key.name, nodes);
}

void forbid(const wishes& w) {
  net::trust_list list = list_of(w.list);
  std::vector<std::string> names;
  for (const auto& one : list.all())
    names.push_back(one.name);
  if (!list.forbid(w.forbid))
    throw mistakes({.what = fmt::format("'{}' is not in the list", w.forbid),
                    .where = "--forbid " + w.forbid,
                    .why = names.empty() ? fmt::format("{} has no keys", w.list) : "",
                    .help = suggestion(w.forbid, names, "troupe keys shows who is")});
  save(list, w.list);
  fmt::print("{}: '{}' may not join any more\n", w.list, w.forbid);
}

// Every key of the folder and of the list, and what it is good for.
void show(const wishes& w) {
  struct row {
    std::string key, here, nodes = "-";
  };

  std::map<std::string, row> rows;
  std::error_code ignored;
  for (const auto& file : fs::directory_iterator(w.folder, ignored)) {
    if (file.path().extension() != ".public") continue;
    const auto key = net::read_public_file(file.path().string());
    auto secret = file.path();
    const bool own = fs::exists(secret.replace_extension(".secret"), ignored);
    rows[key.name] = {key.public_key, own ? "secret, public" : "public"};
  }
  const net::trust_list list = list_of(w.list);
  for (const auto& one : list.all()) {
    row& r = rows[one.name];
    if (!r.key.empty() && r.key != one.key) {
      rows[one.name + " (in the list)"] = {one.key, "another key!", one.nodes_text()};
      continue;
    }
    r.key = one.key;
    r.nodes = one.nodes_text();
  }
  if (rows.empty()) {
    fmt::print("no keys in {}/ and none in {}\n", w.folder, w.list);
    return;
  }
  fmt::print("{:<20}{:<42}{:<18}{}\n", "name", "public key", "files", "may be node");
  for (const auto& [name, r] : rows)
    fmt::print("{:<20}{:<42}{:<18}{}\n", name, r.key, r.here.empty() ? "-" : r.here, r.nodes);
}

} // namespace

int keys(const command_line& line) {
  const wishes w = wishes_of(line.values);
  if (!w.make.empty()) make(w);
  if (!w.allow.empty()) allow(w);
  if (!w.forbid.empty()) forbid(w);
  if (w.make.empty() && w.allow.empty() && w.forbid.empty()) show(w);
  return exit_done;
}

} // namespace troupe::cli
