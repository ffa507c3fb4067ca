#include "troupe/wiring_file.hpp"

#include "ops/files/atomic_file.hpp"
#include "troupe/model_parts.hpp"
#include "troupe/schedule.hpp"
#include "troupe/starting_state.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <limits>
#include <map>
#include <sstream>
#include <utility>

namespace troupe {

namespace {

using json = nlohmann::ordered_json;

constexpr std::size_t file_bytes_max = 64 << 20;
constexpr std::int64_t int_max = std::numeric_limits<int>::max();

// What of the job a wiring depends on.
std::vector<std::pair<std::string, std::string>> fitting(const job& j) {
  const auto facts = describe_job(j);
  return {{"model", facts.at("model")},
          {"batch", facts.at("batch")},
          {"microbatches", facts.at("microbatches")},
          {"slices", facts.at("slices")},
          {"islands", facts.at("islands")}};
}

std::string quoted(const std::string& text) {
  return json(text).dump(-1, ' ', false, json::error_handler_t::replace);
}

// The part that a reader assumes where an operation names none.
int assumed_part(const wired_role& role) {
  return role.parts.size() == 1 ? role.parts.front() : -1;
}

std::string line_of(const wired_role& role) {
  std::string out =
      fmt::format(R"({{"role": {}, "node": {})", quoted(role.where.text()), role.node);
  const auto kind = role.where.role;
  if (kind == role_kind::layer_shard || kind == role_kind::data_loader ||
      role.microbatches != microbatch_range{})
    out += fmt::format(
        R"(, "microbatches": [{}, {}])", role.microbatches.first, role.microbatches.count);
  if (!role.parts.empty()) out += fmt::format(R"(, "parts": [{}])", fmt::join(role.parts, ", "));
  if (!role.schedule.empty()) {
    std::vector<std::string> operations;
    for (const auto& op : role.schedule)
      operations.push_back(text(op, assumed_part(role)));
    out += fmt::format(R"(, "schedule": "{}")", fmt::join(operations, " "));
  }
  if (role.group != 0) out += fmt::format(R"(, "group": {})", role.group);
  if (role.backup) out += R"(, "backup": true)";
  if (!role.device.empty()) out += fmt::format(R"(, "device": {})", quoted(role.device));
  if (!role.talks_to.empty()) {
    std::vector<std::string> peers;
    for (const auto& peer : role.talks_to)
      peers.push_back(quoted(peer.text()));
    out += fmt::format(R"(, "talks_to": [{}])", fmt::join(peers, ", "));
  }
  return out + "}";
}

class reader {
public:
  reader(job j, const std::string& path) : path_(path) { out_.job = std::move(j); }

  wiring read(const std::string& text) {
    const json all = parsed(text);
    known_keys(all,
               "",
               {"wiring",
                "job",
                "recompute",
                "consistency",
                "stash_weights",
                "balance_shares",
                "block_bytes_min",
                "block_bytes_max",
                "parts",
                "roles"});
    check_job(member(all, "", "job"));
    out_.name = text_of(member(all, "", "wiring"), "wiring");
    for (const auto& [key, to] : {std::pair{"recompute", &out_.recompute},
                                  std::pair{"stash_weights", &out_.stash_weights},
                                  std::pair{"balance_shares", &out_.balance_shares}})
      if (all.contains(key)) *to = yes(all[key], key);
    if (all.contains("consistency")) {
      const auto said = text_of(all["consistency"], "consistency");
      const auto known = parse_consistency(said);
      if (!known)
        refuse("consistency",
               fmt::format("{} is no consistency", quoted(said.substr(0, 40))),
               "write BSP, ASP or SSP(4)");
      out_.order = *known;
    }
    if (all.contains("block_bytes_min"))
      out_.block_bytes_min = number(all["block_bytes_min"], "block_bytes_min", 0, INT64_MAX);
    if (all.contains("block_bytes_max"))
      out_.block_bytes_max = number(all["block_bytes_max"], "block_bytes_max", 0, INT64_MAX);
    read_parts(list(member(all, "", "parts"), "parts"));
    const auto& roles = list(member(all, "", "roles"), "roles");
    for (std::size_t i = 0; i < roles.size(); ++i)
      read_role(roles[i], fmt::format("roles, entry {}", i + 1));
    count_grid();
    return std::move(out_);
  }

private:
  [[noreturn]] void
  refuse(const std::string& place, std::string what, std::string help = "") const {
    throw error({.what = std::move(what),
                 .where = fmt::format("{}, {}", path_, place),
                 .help = std::move(help)});
  }

  [[nodiscard]] json parsed(const std::string& text) const {
    if (text.size() > file_bytes_max)
      throw error({.what = "the file is too large for a wiring",
                   .where = path_,
                   .why = fmt::format("{} bytes; at most {}", text.size(), file_bytes_max)});
    try {
      return json::parse(text);
    } catch (const json::parse_error& problem) {
      const auto at = std::min(problem.byte > 0 ? problem.byte - 1 : 0, text.size());
      const auto before = std::string_view(text).substr(0, at);
      const auto line = std::count(before.begin(), before.end(), '\n') + 1;
      const auto begin = before.rfind('\n');
      const auto column = begin == std::string_view::npos ? at + 1 : at - begin;
      refuse(fmt::format("line {}, column {}", line, column),
             "it is no JSON there",
             "look for a comma, a bracket or a quotation mark that is missing or too many");
    }
  }

  void known_keys(const json& object,
                  const std::string& place,
                  const std::vector<std::string>& keys) const {
    if (!object.is_object())
      refuse(place.empty() ? "line 1" : place, "it is no object", "write {\"...\": ...}");
    for (const auto& [key, value] : object.items())
      if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
        const auto near = did_you_mean(key, keys.data(), keys.data() + keys.size());
        refuse(place.empty() ? "its entries" : place,
               fmt::format("nobody knows {}", quoted(key)),
               near.empty() ? fmt::format("known: {}", fmt::join(keys, ", "))
                            : fmt::format("did you mean '{}'?", near));
      }
  }

  [[nodiscard]] const json&
  member(const json& object, const std::string& place, const std::string& key) const {
    const auto at = object.find(key);
    if (at == object.end())
      refuse(place.empty() ? "its entries" : place,
             fmt::format("\"{}\" is missing", key),
             fmt::format("add \"{}\": ...", key));
    return *at;
  }

  [[nodiscard]] const json& list(const json& value, const std::string& place) const {
    if (!value.is_array()) refuse(place, "it is no list", "write [..., ...]");
    return value;
  }

  [[nodiscard]] std::string text_of(const json& value, const std::string& place) const {
    if (!value.is_string()) refuse(place, "it is no text", "write \"...\"");
    return value.get<std::string>();
  }

  [[nodiscard]] bool yes(const json& value, const std::string& place) const {
    if (!value.is_boolean()) refuse(place, "it is neither true nor false");
    return value.get<bool>();
  }

  [[nodiscard]] std::int64_t
  number(const json& value, const std::string& place, std::int64_t least, std::int64_t most) const {
    const bool whole = value.is_number_integer();
    const bool fits = whole && (!value.is_number_unsigned() ||
                                value.get<std::uint64_t>() <= std::uint64_t{INT64_MAX});
    if (!fits || value.get<std::int64_t>() < least || value.get<std::int64_t>() > most)
      refuse(place,
             whole ? fmt::format("{} is out of range", value.dump()) : "it is no whole number",
             fmt::format("write a number of {} to {}", least, most));
    return value.get<std::int64_t>();
  }

  void check_job(const json& found) const {
    if (!found.is_object()) refuse("job", "it is no object", "write {\"batch\": ...}");
    error_text wrong{.what = "the wiring belongs to another job", .where = path_};
    for (const auto& [key, now] : fitting(out_.job)) {
      if (key == "islands" && now == "0" && !found.contains(key)) continue; // an older file
      const json& value = member(found, "job", key);
      const auto was = value.is_string() ? value.get<std::string>() : value.dump();
      if (was == now) continue;
      wrong.why += fmt::format("{}{}: {} in the file, {} now",
                               wrong.why.empty() ? "" : "\n  ",
                               key,
                               quoted(was.substr(0, 40)),
                               quoted(now));
    }
    if (wrong.why.empty()) return;
    wrong.help =
        "start with the same --model, --batch, --microbatches and --islands, or save the wiring of "
        "this job and edit that";
    throw error(std::move(wrong));
  }

  // The layers are told for people; what counts is how many pieces each part has.
  void read_parts(const json& parts) {
    std::int64_t sum = 0;
    std::vector<int> cut;
    bool possible = parts.size() > 1;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const auto place = fmt::format("parts, entry {}", i + 1);
      known_keys(parts[i], place, {"pieces", "layers"});
      model_part part;
      part.pieces = static_cast<int>(
          number(member(parts[i], place, "pieces"), place + ", pieces", 0, int_max));
      if (parts[i].contains("layers")) part.layers = text_of(parts[i]["layers"], place);
      possible = possible && part.pieces > 0;
      if (i > 0) cut.push_back(static_cast<int>(std::min(sum, int_max)));
      sum += part.pieces;
      out_.parts.push_back(std::move(part));
    }
    if (!possible) return;
    const auto pieces = pieces_of(out_.job);
    if (sum == static_cast<std::int64_t>(pieces.size())) out_.parts = parts_of(pieces, cut);
  }

  void read_role(const json& entry, std::string place) {
    known_keys(entry,
               place,
               {"role",
                "node",
                "microbatches",
                "parts",
                "schedule",
                "group",
                "backup",
                "device",
                "talks_to"});
    wired_role role;
    role.where = address_of(member(entry, place, "role"), place + ", role");
    place += fmt::format(" ({})", role.where.text());
    if (entry.contains("node"))
      role.node = static_cast<int>(number(entry["node"], place + ", node", 0, int_max));
    if (entry.contains("microbatches")) {
      const auto& run = list(entry["microbatches"], place + ", microbatches");
      if (run.size() != 2)
        refuse(place + ", microbatches", "it is no pair", "write [first, how many]");
      const auto count = [&](std::size_t i) {
        return static_cast<std::uint32_t>(
            number(run[i], place + ", microbatches", 0, std::int64_t{UINT32_MAX}));
      };
      role.microbatches = {count(0), count(1)};
    }
    if (entry.contains("parts"))
      for (const auto& part : list(entry["parts"], place + ", parts"))
        role.parts.push_back(static_cast<int>(number(part, place + ", parts", 0, int_max)));
    if (entry.contains("schedule")) read_schedule(role, entry["schedule"], place + ", schedule");
    if (entry.contains("group"))
      role.group = static_cast<int>(number(entry["group"], place + ", group", 0, int_max));
    if (entry.contains("backup")) role.backup = yes(entry["backup"], place + ", backup");
    if (entry.contains("device")) role.device = text_of(entry["device"], place + ", device");
    if (entry.contains("talks_to"))
      for (const auto& peer : list(entry["talks_to"], place + ", talks_to"))
        role.talks_to.push_back(address_of(peer, place + ", talks_to"));
    out_.roles.push_back(std::move(role));
  }

  [[nodiscard]] address address_of(const json& value, const std::string& place) const {
    return parse_address(text_of(value, place), fmt::format("{}, {}", path_, place));
  }

  void read_schedule(wired_role& role, const json& value, const std::string& place) {
    std::istringstream words(text_of(value, place));
    for (std::string word; words >> word;)
      role.schedule.push_back(operation(word, assumed_part(role), place));
  }

  [[nodiscard]] schedule_op
  operation(const std::string& word, int part, const std::string& place) const {
    static const std::map<char, op_kind> kinds = {{'F', op_kind::forward},
                                                  {'B', op_kind::backward},
                                                  {'I', op_kind::backward_input},
                                                  {'W', op_kind::backward_weights}};
    schedule_op out{.part = part};
    const auto at = std::min(word.find('@'), word.size());
    const auto whole = [&](std::size_t first, std::size_t last, auto& to) {
      const auto [end, fault] = std::from_chars(word.data() + first, word.data() + last, to);
      return first < last && fault == std::errc{} && end == word.data() + last;
    };
    const auto kind = kinds.find(word.front());
    const bool good = kind != kinds.end() && whole(1, at, out.microbatch) &&
                      (at == word.size() || whole(at + 1, word.size(), out.part));
    if (!good || out.part < 0)
      refuse(place,
             fmt::format("{} is no operation", quoted(word.substr(0, 24))),
             part < 0 ? "say letter, microbatch and part: F3@1 (F, B, or I and W)"
                      : "say letter and microbatch: F3 (F, B, or I and W)");
    out.kind = kind->second;
    return out;
  }

  void count_grid() {
    std::map<int, int> shards; // by replica; slices are of a stage
    for (const auto& role : out_.roles)
      if (role.where.role == role_kind::layer_shard && role.where.slice == 0 && !role.backup)
        ++shards[role.where.replica];
    out_.replicas = std::max<int>(1, static_cast<int>(shards.size()));
    for (const auto& [replica, count] : shards)
      out_.stages = std::max(out_.stages, count);
  }

  const std::string& path_;
  wiring out_;
};

} // namespace

std::string to_json(const wiring& w) {
  std::vector<std::string> facts, parts, roles;
  for (const auto& [key, value] : fitting(w.job))
    facts.push_back(fmt::format(
        "{}: {}", quoted(key), key == "model" || key == "slices" ? quoted(value) : value));
  for (const auto& part : w.parts)
    parts.push_back(
        fmt::format(R"(    {{"pieces": {}, "layers": {}}})", part.pieces, quoted(part.layers)));
  for (const auto& role : w.roles)
    roles.push_back("    " + line_of(role));
  return fmt::format(R"({{
  "wiring": {},
  "job": {{{}}},
  "recompute": {},
  "consistency": {},
  "stash_weights": {},
  "balance_shares": {},
  "block_bytes_min": {},
  "block_bytes_max": {},
  "parts": [
{}
  ],
  "roles": [
{}
  ]
}}
)",
                     quoted(w.name),
                     fmt::join(facts, ", "),
                     w.recompute,
                     quoted(text(w.order)),
                     w.stash_weights,
                     w.balance_shares,
                     w.block_bytes_min,
                     w.block_bytes_max,
                     fmt::join(parts, ",\n"),
                     fmt::join(roles, ",\n"));
}

wiring parse_wiring(const std::string& text, job j, const std::string& path) {
  return reader(std::move(j), path).read(text);
}

void save_wiring(const wiring& w, const std::string& path) {
  write_file_atomically(path, to_json(w));
}

wiring load_wiring(const std::string& path, job j) {
  return parse_wiring(read_file(path), std::move(j), path);
}

} // namespace troupe
