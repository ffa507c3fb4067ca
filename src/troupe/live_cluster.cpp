// cluster::start: the actors of a wiring live, in this process alone or in those of a cluster.
#include "actors/runtime/cluster_world.hpp"
#include "actors/runtime/live_world.hpp"
#include "troupe/cluster.hpp"
#include "troupe/default_supervision.hpp"
#include "troupe/node_links.hpp"
#include "troupe/start_run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <thread>
#include <unordered_map>
#include <utility>

namespace troupe {

namespace {

using homes = std::unordered_map<address, std::uint32_t, address_hash>;

std::shared_ptr<const homes> homes_of(const wiring& w, std::uint32_t nodes) {
  auto out = std::make_shared<homes>();
  for (const auto& role : w.roles)
    (*out)[role.where] = static_cast<std::uint32_t>(role.node) % nodes;
  return out;
}

std::shared_ptr<const std::set<address>> mortals_of(const wiring& w, int nodes) {
  auto out = std::make_shared<std::set<address>>();
  const auto alone = lonely_state_of(w, nodes);
  for (const auto& role : w.roles)
    if (is_mortal(w, role.where) && !alone.contains(role.where)) out->insert(role.where);
  return out;
}

std::shared_ptr<const std::map<address, std::vector<address>>> copies_in(const wiring& w) {
  auto out = std::make_shared<std::map<address, std::vector<address>>>();
  for (const auto& role : w.roles)
    (*out)[role.where] = role.where.role == role_kind::parameter_holder ? copies_of(w, role.where)
                                                                        : std::vector<address>{};
  return out;
}

// Node 0 keeps the books of a job.
void check_leading_roles(const wiring& w, const homes& home) {
  for (const auto role : {role_kind::director, role_kind::supervisor, role_kind::recorder})
    for (const address& who : w.of(role))
      if (home.at(who) != 0)
        throw error({.what = fmt::format("{} is on node {}", who.text(), home.at(who)),
                     .where = "wiring",
                     .why = "with several processes it is played by the one that leads, node 0",
                     .help = fmt::format("put {} on node 0", who.text())});
}

// Of the actors that can be restarted: nothing is won by the death of the others.
std::function<std::chrono::nanoseconds(const address&)>
progress_deadlines(const wiring& w, const std::optional<supervision_tree>& chosen) {
  auto out = std::make_shared<std::map<address, std::chrono::nanoseconds>>();
  const auto tree = chosen ? *chosen : default_supervision(w);
  for (const child_spec* c : actors_of(tree))
    if (c->state != state_source::itself) (*out)[parse_address(c->id)] = c->progress_within;
  (*out)[{.role = role_kind::supervisor}] = child_spec{}.progress_within;
  return [deadlines = std::move(out)](const address& who) {
    const auto found = deadlines->find(who);
    return found == deadlines->end() ? std::chrono::nanoseconds{0} : found->second;
  };
}

// Who waits for a device needs a thread, but no core.
int threads_for(int asked, std::int64_t shards, std::int64_t on_devices) {
  const int cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  return asked > 0 ? asked
                   : std::clamp(static_cast<int>(shards - on_devices), 1, cores) +
                         static_cast<int>(on_devices);
}

node_event event_of(const node_news& n) {
  return {static_cast<node_event::kind>(n.what), n.nodes, n.text};
}

} // namespace

run cluster::start(const wiring& w, run_options options) const {
  node_place here = place ? *place : place_in(variables_of_process());
  const auto home = homes_of(w, here.count);
  const bool is_spare = here.spare >= 0;
  const auto mortal = mortals_of(w, static_cast<int>(here.count));
  const auto plays = [home, mortal, me = here.number, is_spare](const address& who) {
    return is_spare ? home->at(who) != 0 && mortal->contains(who) : home->at(who) == me;
  };
  check_leading_roles(w, *home);
  const auto shards_here = [&](bool on_devices) {
    const auto all = std::count_if(w.roles.begin(), w.roles.end(), [&](const wired_role& r) {
      return r.where.role == role_kind::layer_shard && plays(r.where) &&
             (!on_devices || !r.device.empty());
    });
    const auto share = static_cast<std::int64_t>(is_spare ? std::max(here.count - 1, 1U) : 1U);
    return (all + share - 1) / share;
  };
  const int threads = threads_for(compute_threads, shards_here(false), shards_here(true));
  if (options.supervision)
    if (const auto wrong = mistakes_of(*options.supervision, w); !wrong.empty())
      throw joined(wrong);
  const live_world_options live{.kernel_threads = threads,
                                .progress_within = progress_deadlines(w, options.supervision)};
  if (here.count == 1)
    return start_run(
        w,
        std::move(options),
        {.make_world = [&](const run_hooks&, const start_of_run&) -> std::unique_ptr<world> {
           return std::make_unique<live_world>(live);
         },
         .kernel_threads = threads,
         .is_watched = true});

  auto made = std::make_shared<cluster_world*>(nullptr); // the run's
  const auto make_world = [&, made](const run_hooks& hooks, const start_of_run& start) {
    settle(here);
    hooks.on_number(here.number);
    auto out = std::make_unique<cluster_world>(cluster_world_options{
        .live = live,
        .link = links_of(here, w),
        .coordinator = here.coordinator,
        .nodes = here.count,
        .start = start.text,
        .start_at = start.checkpoint,
        .node_of = [home](const address& who) { return home->at(who); },
        .has_state = [mortal](const address& who) { return !mortal->contains(who); },
        .copies_of = [groups = copies_in(w)](const address& who) { return groups->at(who); },
        .move_after = move_after,
        .on_begin_again = hooks.on_begin_again,
        .on_news = [tell = hooks.on_node](const node_news& n) { tell(event_of(n)); },
        .on_figures = hooks.on_links,
        .figures_every = figures_every,
        .on_over = hooks.on_over,
        .join_within = join_within,
        .rejoin_within = rejoin_within});
    *made = out.get();
    return out;
  };
  return start_run(w,
                   std::move(options),
                   {.make_world = make_world,
                    .kernel_threads = threads,
                    .conclude = [made](const order::over& how) { (*made)->conclude(how); },
                    .drain = [made](std::uint32_t node) { (*made)->drain(node); },
                    .place = here,
                    .plays = plays,
                    .is_watched = here.number == 0});
}

} // namespace troupe
