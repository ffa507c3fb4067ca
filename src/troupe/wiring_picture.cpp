#include "troupe/wiring_picture.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

namespace troupe::detail {

namespace {

constexpr std::size_t boxes_max = 40;

// Who is drawn as one box: itself, or all who do the same in other replicas.
using group_key = std::tuple<role_kind, int, int, int, std::vector<int>>;

group_key key_of(const wired_role& role, bool grouped) {
  const auto& [kind, replica, stage, slice] = role.where;
  if (!grouped) return {kind, static_cast<int>(replica), stage, slice, {}};
  if (kind == role_kind::layer_shard) return {kind, -1, stage, slice, role.parts};
  if (kind == role_kind::parameter_holder || kind == role_kind::gradient_aggregator)
    return {
        kind, -1, stage > 0 ? 1 : 0, slice > 0 ? 1 : 0, role.parts}; // apart from what they send to
  return {kind, -1, 0, 0, {}};
}

bool follows(const wired_role& a, const wired_role& b, int distance) {
  return std::any_of(a.parts.begin(), a.parts.end(), [&](int p) {
    return std::find(b.parts.begin(), b.parts.end(), p + distance) != b.parts.end();
  });
}

// The words of a pair of roles. Nothing for a request, and for what is not part of a step.
struct word {
  std::string what;
  bool tensors = false;
};

std::vector<word> words_between(const wired_role& from, const wired_role& to) {
  using enum role_kind;
  if (from.where.role == layer_shard && to.where.role == layer_shard) {
    std::vector<word> out;
    if (follows(from, to, 1)) out.push_back({"activation", true});
    if (follows(from, to, -1)) out.push_back({"activation gradient", true});
    return out;
  }
  if (from.where.role == parameter_holder && to.where.role == parameter_holder &&
      (from.where.stage != 0 || to.where.stage != 0))
    return from.where.stage == 0 ? std::vector<word>{{"summed gradient", true}}
                                 : std::vector<word>{{"kept"}};
  static const std::map<std::pair<role_kind, role_kind>, word> words = {
      {{data_loader, layer_shard}, {"batch", true}},
      {{layer_shard, gradient_aggregator}, {"gradient", true}},
      {{gradient_aggregator, gradient_aggregator}, {"gradient of a group", true}},
      {{layer_shard, parameter_holder}, {"summed gradient", true}},
      {{gradient_aggregator, parameter_holder}, {"summed gradient", true}},
      {{parameter_holder, layer_shard}, {"parameters", true}},
      {{parameter_holder, gradient_aggregator}, {"delta of an island", true}},
      {{parameter_holder, parameter_holder}, {"outer parameters", true}},
      {{parameter_holder, director}, {"committed"}},
      {{director, layer_shard}, {"begin_step"}},
      {{director, evaluator}, {"evaluate"}},
      {{director, checkpointer}, {"save"}},
      {{director, recorder}, {"step_committed"}},
      {{layer_shard, director}, {"microbatch_report"}},
      {{evaluator, director}, {"evaluated"}},
      {{checkpointer, director}, {"saved"}},
      {{supervisor, director}, {"job_failed"}}};
  const auto found = words.find({from.where.role, to.where.role});
  return found == words.end() ? std::vector<word>{} : std::vector<word>{found->second};
}

std::string range_text(const microbatch_range& m) {
  return m.count == 1
             ? fmt::format("microbatch {}", m.first)
             : fmt::format("microbatches {} to {}", m.first, std::uint64_t{m.first} + m.count - 1);
}

class painter {
public:
  painter(const wiring& w, const wiring_price* price)
      : wiring_(w), price_(price), grouped_(w.roles.size() > boxes_max) {}

  picture paint() {
    out_.title = wiring_.name;
    for (const auto& role : wiring_.roles)
      place(role);
    add_members();
    add_frames();
    for (const auto& role : wiring_.roles)
      for (const auto& peer : role.talks_to)
        if (const auto to = role_of_.find(peer); to != role_of_.end())
          for (const auto& said : words_between(role, *to->second))
            arrow(role.where, peer, said);
    if (price_ != nullptr)
      for (const auto& e : price_->edges) // some of them nobody listed in talks_to
        if (box_of_.contains(e.from) && box_of_.contains(e.to))
          arrow(e.from, e.to, {e.what, true}, e.bytes / e.every);
    if (price_ != nullptr) // an aggregator without a block hears nothing
      std::erase_if(out_.arrows, [](const auto& a) { return a.tensors && a.bytes == 0; });
    return std::move(out_);
  }

private:
  void place(const wired_role& role) {
    const auto [at, fresh] = box_of_key_.try_emplace(key_of(role, grouped_), out_.boxes.size());
    box_of_[role.where] = at->second;
    role_of_[role.where] = &role;
    if (fresh) {
      out_.boxes.push_back({role.where.role, lines_of(role)});
      members_.emplace_back();
    }
    members_[at->second].push_back(&role);
  }

  [[nodiscard]] std::vector<std::string> lines_of(const wired_role& role) const {
    std::vector<std::string> out = {role.where.text()};
    const auto kind = role.where.role;
    if (kind == role_kind::layer_shard && wiring_.parts.size() > 1)
      for (const int p : role.parts)
        if (p >= 0 && std::cmp_less(p, wiring_.parts.size()))
          out.push_back(
              fmt::format("part {}: {}", p, wiring_.parts[static_cast<std::size_t>(p)].layers));
    if (!grouped_ && (kind == role_kind::layer_shard || kind == role_kind::data_loader))
      out.push_back(range_text(role.microbatches) + (role.backup ? ", backup" : ""));
    if (price_ == nullptr) return out;
    for (const auto& s : price_->shards)
      if (s.where == role.where)
        out.push_back(fmt::format("{:.3f} GFLOP, {}",
                                  static_cast<double>(s.flops) / 1e9,
                                  size_text(static_cast<std::int64_t>(s.program_bytes))));
    for (const auto& h : price_->holders)
      if (h.where == role.where) out.push_back(size_text(h.parameter_bytes + h.optimizer_bytes));
    return out;
  }

  void add_members() {
    for (std::size_t b = 0; b < members_.size(); ++b)
      if (members_[b].size() > 1)
        out_.boxes[b].lines[0] += fmt::format(" and {} like it", members_[b].size() - 1);
  }

  // Boxes of several nodes stand where their first one does.
  void add_frames() {
    std::map<int, picture_frame> frames; // by node
    for (std::size_t b = 0; b < members_.size(); ++b)
      frames[members_[b].front()->node].boxes.push_back(b);
    for (auto& [first, frame] : frames) {
      std::set<int> nodes = {first};
      for (const auto b : frame.boxes)
        if (out_.boxes[b].kind == role_kind::layer_shard)
          for (const auto* role : members_[b])
            nodes.insert(role->node);
      frame.title = nodes_text(nodes);
      out_.frames.push_back(std::move(frame));
    }
  }

  static std::string nodes_text(const std::set<int>& nodes) {
    constexpr std::size_t named_max = 4;
    std::vector<std::string> names;
    for (const int n : nodes)
      if (names.size() < named_max) names.push_back(std::to_string(n));
    if (nodes.size() > named_max) names.push_back(fmt::format("... {}", *nodes.rbegin()));
    return fmt::format("node{} {}", nodes.size() == 1 ? "" : "s", fmt::join(names, ", "));
  }

  void arrow(const address& from, const address& to, const word& said, std::int64_t bytes = 0) {
    const auto a = box_of_.at(from), b = box_of_.at(to);
    if (a == b) return;
    const auto [at, fresh] = arrow_of_.try_emplace({a, b, said.what}, out_.arrows.size());
    const bool back = said.what == "activation gradient" || said.what == "parameters" ||
                      said.what == "outer parameters";
    if (fresh) out_.arrows.push_back({a, b, said.what, said.tensors, back, 0, 0});
    auto& here = out_.arrows[at->second];
    here.bytes += bytes;
    if (pairs_.insert({from, to, said.what}).second) ++here.count;
  }

  const wiring& wiring_;
  const wiring_price* price_;
  bool grouped_;
  std::map<group_key, std::size_t> box_of_key_;
  std::map<address, std::size_t> box_of_;
  std::map<address, const wired_role*> role_of_;
  std::vector<std::vector<const wired_role*>> members_; // by box
  std::map<std::tuple<std::size_t, std::size_t, std::string>, std::size_t> arrow_of_;
  std::set<std::tuple<address, address, std::string>> pairs_;
  picture out_;
};

} // namespace

picture picture_of(const wiring& w, const wiring_price* price) {
  return painter(w, price).paint();
}

std::string size_text(std::int64_t bytes) {
  const auto size = static_cast<double>(bytes);
  return size < 1e6 ? fmt::format("{:.1f} kB", size / 1e3) : fmt::format("{:.1f} MB", size / 1e6);
}

std::string label_of(const picture_arrow& a) {
  if (!a.tensors) return "";
  return a.bytes > 0 ? fmt::format("{}, {}", a.what, size_text(a.bytes)) : a.what;
}

const char* colour_of(role_kind kind) {
  switch (kind) {
  case role_kind::layer_shard:
    return "#cfe2ff";
  case role_kind::data_loader:
    return "#d7f0d2";
  case role_kind::gradient_aggregator:
    return "#ffe3b8";
  case role_kind::parameter_holder:
    return "#f9d0d0";
  case role_kind::director:
  case role_kind::supervisor:
    return "#e4d7f5";
  default:
    return "#ececec";
  }
}

} // namespace troupe::detail
