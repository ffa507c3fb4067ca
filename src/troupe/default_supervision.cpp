#include "troupe/default_supervision.hpp"

#include "troupe/program_output.hpp"
#include "troupe/start_run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <utility>

namespace troupe {

namespace {

child_spec child_of(const address& who) {
  child_spec out{.id = who.text(),
                 .state = has_state(who.role) ? state_source::checkpoint : state_source::peers};
  if (who.role == role_kind::checkpointer) out.progress_within = std::chrono::minutes(1); // a disk
  return out;
}

bool is_of_a_replica(role_kind role) {
  return role == role_kind::data_loader || role == role_kind::layer_shard ||
         role == role_kind::residual_keeper;
}

bool is_of_the_parameters(role_kind role) {
  return role == role_kind::parameter_holder || role == role_kind::gradient_aggregator;
}

// As many failures as its children may have by themselves, but for the tree's budget.
child_spec group(std::string id, std::vector<child_spec> children) {
  return supervisor_of(std::move(id), {.children = std::move(children)});
}

} // namespace

supervision_tree default_supervision(const wiring& w) {
  std::vector<child_spec> control, parameters;
  std::map<std::uint32_t, std::vector<child_spec>> replicas;
  for (const wired_role& r : w.roles) {
    if (r.where.role == role_kind::supervisor) continue;
    auto& group = is_of_a_replica(r.where.role)        ? replicas[r.where.replica]
                  : is_of_the_parameters(r.where.role) ? parameters
                                                       : control;
    group.push_back(child_of(r.where));
  }
  supervision_tree out{.seed = w.job.seed};
  auto& all = out.root.children;
  if (!control.empty()) all.push_back(group("control", std::move(control)));
  if (!parameters.empty()) all.push_back(group("parameters", std::move(parameters)));
  for (auto& [replica, children] : replicas)
    all.push_back(group(fmt::format("replica/{}", replica), std::move(children)));
  return out;
}

std::vector<error_text> mistakes_of(const supervision_tree& t, const wiring& w) {
  auto out = mistakes_of(t);
  std::set<std::string> played;
  std::vector<std::string> names;
  for (const wired_role& r : w.roles)
    if (r.where.role != role_kind::supervisor) played.insert(r.where.text());
  names.assign(played.begin(), played.end());
  std::set<std::string> supervised;
  for (const child_spec* c : actors_of(t)) {
    supervised.insert(c->id);
    if (!played.contains(c->id)) {
      const auto near = did_you_mean(c->id, names.data(), names.data() + names.size());
      out.push_back({.what = fmt::format("nobody plays {}", c->id),
                     .where = "supervision",
                     .why = "actors of a tree are those of its wiring, by their addresses",
                     .help = near.empty() ? "" : fmt::format("did you mean {}?", near)});
    }
  }
  for (const std::string& id : names)
    if (!supervised.contains(id))
      out.push_back({.what = fmt::format("nobody supervises {}", id),
                     .where = "supervision",
                     .why = "its death would go unnoticed",
                     .help = "start from default_supervision(wiring) and edit it"});
  return out;
}

std::string svg(const supervision_tree& t) {
  return detail::output_of({"dot", "-Tsvg"}, dot(t), "graphviz");
}

} // namespace troupe
