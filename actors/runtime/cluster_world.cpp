#include "actors/runtime/cluster_world_impl.hpp"
#include "actors/wire/lane.hpp"
#include "net/archive.hpp"
#include "net/processes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace troupe {

namespace {

const address supervising{.role = role_kind::supervisor};
const address directing{.role = role_kind::director};

// The figures of a link are 200 bytes in a file: at most so many links a second.
constexpr std::chrono::nanoseconds pause_per_link = std::chrono::milliseconds(5);

} // namespace

void cluster_world::impl::send(const address& from,
                               incarnation from_life,
                               const address& to,
                               message m) {
  addressed_message out{to, std::move(m), from, from_life};
  const std::lock_guard lock(mutex);
  net::node_life where;
  switch (known.outgoing(out, where)) {
  case directory::way::goes:
    return post(where, lane_of(from.role, to.role), encode(out));
  case directory::way::waits:
    return known.keep(std::move(out));
  case directory::way::lost:
    return;
  }
}

void cluster_world::impl::kill(const address& who) {
  const std::lock_guard lock(mutex);
  order_to(known.at(who).node, order::kill{who});
}

incarnation cluster_world::impl::start(const address& who) {
  const std::lock_guard lock(mutex);
  if (!ending && !beginning_again) begin({{}, leader.start({who})});
  return known.at(who).life;
}

// Of node 0: whoever hears of a life hears of its beginning first.
void cluster_world::impl::begin(const order::place& o) {
  for (const auto& [node, one] : leader.to_all(o))
    order_to(node, one);
  take(o);
  end_emptied();
}

void cluster_world::impl::end_emptied() {
  for (const auto& [node, one] : leader.emptied()) {
    order_to(node, one);
    tell(node_news::kind::down, {node}, fmt::format("node {} is drained", node));
  }
}

void cluster_world::impl::take(const order::place& o) {
  for (const member& m : o.members)
    known.admit(m);
  std::vector<std::pair<address, incarnation>> begin_here;
  for (const placement& p : o.placements) {
    known.place(p);
    if (!known.knows(p.who)) continue;
    if (p.node == me)
      begin_here.emplace_back(p.who, p.life);
    else
      here.leave(p.who);
  }
  if (!o.begins)
    here.enter(begin_here);
  else if (prepare_to_begin(o))
    here.enter_again(begin_here);
  for (const auto& [who, life] : begin_here)
    for (auto& m : known.hear_early(who))
      here.hear(m.from, m.to, std::move(m.content));
  flush();
}

// The actors that were here end; what they still say is not heard.
bool cluster_world::impl::prepare_to_begin(const order::place& o) {
  if (leads() || !options.on_begin_again) return true;
  const auto& where = o.where.empty() ? begins_at : o.where;
  const auto problem = options.on_begin_again(where);
  if (!problem.empty())
    finish({.failure = {.what = fmt::format("node {} cannot begin where node 0 does", me),
                        .where = where,
                        .why = problem,
                        .help = "give all nodes one checkpoint folder"}});
  return problem.empty();
}

// What waited for a link or for an incarnation.
void cluster_world::impl::flush() {
  for (const auto& [node, life] : links)
    for (auto& m : known.released(node)) {
      m.to_life = known.at(m.to).life;
      post({node, life}, lane_of(m.from.role, m.to.role), encode(m));
    }
}

void cluster_world::impl::order_to(std::uint32_t node, const cluster_order& o) {
  if (const auto life = links.find(node); life != links.end())
    post({node, life->second}, net::lane_kind::small, encode(o));
}

void cluster_world::impl::post(const net::node_life& to,
                               net::lane_kind lane,
                               const net::parcel& content) {
  auto& waiting = backlog[to.node];
  if (waiting.empty() && link->send(to, lane, content) != net::sent::congested) return;
  waiting.emplace_back(lane, content); // (Who is not up goes down at once, or has.)
}

void cluster_world::impl::relieved(const net::node_life& who) {
  const std::lock_guard lock(mutex);
  auto& waiting = backlog[who.node];
  while (!waiting.empty()) {
    if (link->send(who, waiting.front().first, waiting.front().second) == net::sent::congested)
      return;
    waiting.pop_front();
  }
}

void cluster_world::impl::heard(const net::node_life& from, const net::parcel& content) {
  try {
    if (is_order(content)) {
      const auto o = decode_order(content);
      const std::lock_guard lock(mutex);
      obey(from, o);
    } else {
      auto m = decode_message(content);
      const std::lock_guard lock(mutex);
      hear(from.node, std::move(m), content.credit);
    }
  } catch (const net::malformed& e) {
    refused(fmt::format("node {} said what cannot be read: {}", from.node, e.what()));
  }
}

void cluster_world::impl::hear(std::uint32_t from,
                               addressed_message m,
                               std::shared_ptr<const void> credit) {
  if (!known.may_say(from, m)) return;
  switch (known.incoming(m)) {
  case directory::arrival::heard:
    return here.hear(m.from, m.to, std::move(m.content), std::move(credit));
  case directory::arrival::waits:
    return known.keep_early(std::move(m));
  case directory::arrival::stale:
    return;
  }
}

void cluster_world::impl::obey(const net::node_life& from, const cluster_order& o) {
  if (const auto* k = std::get_if<order::kill>(&o)) {
    if (known.knows(k->who) && known.is_here(k->who)) here.kill(k->who);
    return;
  }
  if (const auto* q = std::get_if<order::ask>(&o); q != nullptr && from.node == 0)
    return desk.asked(q->number);
  if (const auto* i = std::get_if<order::inject>(&o)) return happen(fault_of(*i));
  if (leads()) {
    if (const auto* w = std::get_if<order::waits>(&o)) desk.heard(from.node, *w);
    if (const auto* l = std::get_if<order::lost>(&o)) {
      reports.push_back({here.now() + options.verdict_after, from.node, *l});
      changed.notify_all();
    }
    if (const auto* t = std::get_if<order::traffic>(&o)) board.note(from, *t);
    return;
  }
  if (from.node != 0) return;
  if (const auto* p = std::get_if<order::place>(&o)) take(*p);
  if (const auto* v = std::get_if<order::view>(&o); v != nullptr && begins_like(*v)) {
    taken_in = true;
    known.view(v->members, v->placements);
    for (const placement& p : v->placements)
      if (p.node != me && known.knows(p.who)) here.leave(p.who);
    flush();
    changed.notify_all();
  }
  if (const auto* l = std::get_if<order::leave>(&o)) {
    end_here();
    tell(node_news::kind::down, {me}, l->reason);
  }
  if (const auto* end = std::get_if<order::over>(&o)) finish(*end);
}

// Parameters of two beginnings would be mixed without a word. Where the job has begun, its actors
// are restarted, and get what they need from others.
bool cluster_world::impl::begins_like(const order::view& o) {
  const bool has_begun = std::any_of(o.placements.begin(), o.placements.end(), [&](const auto& p) {
    return p.node == me && p.life > 0;
  });
  if (has_begun || o.start.empty() || options.start.empty() || o.start == options.start)
    return true;
  begins_at = o.where; // node 0 was started again, and goes on with what was saved
  if (!begins_at.empty()) return true;
  finish({.failure = {.what = fmt::format("node {} and node 0 do not begin alike", me),
                      .where = {},
                      .why = fmt::format("{} at node {}, {} at node 0", options.start, me, o.start),
                      .help = "give them the same checkpoint or weights",
                      .kind = error_kind::request}});
  return false;
}

void cluster_world::impl::end_here() {
  known.leave();
  for (const address& who : known.on(me))
    here.kill(who);
}

void cluster_world::impl::apply(const membership::outcome& what) {
  for (const auto& [node, o] : what.orders)
    order_to(node, o);
  for (const auto& node : what.sent_away)
    tell(node_news::kind::down, {node}, fmt::format("node {} begins anew", node));
  for (const auto& d : what.deaths)
    here.hear(d.who, supervising, d);
  for (const address& who : what.ends)
    if (known.is_here(who))
      here.kill(who);
    else
      order_to(known.at(who).node, order::kill{who});
}

void cluster_world::impl::up(const net::peer& who) {
  const std::lock_guard lock(mutex);
  const auto node = who.who.node;
  links[node] = who.who.life;
  ++ordinals[node];
  known.linked(who.who);
  if (leads()) {
    apply(leader.up(who.who));
    if (node < options.nodes) board.came(node, who.process.number);
    tell(node_news::kind::up, {node}, fmt::format("node {} is there", node));
  }
  flush();
  changed.notify_all();
}

void cluster_world::impl::down(const net::peer_down& what) {
  const std::lock_guard lock(mutex);
  const auto node = what.who.node;
  links.erase(node);
  backlog.erase(node);
  const bool concerns_us = known.unlinked(what.who);
  if (leads()) {
    if (ending) return;
    apply(leader.down(what.who, what.reason));
    tell(node_news::kind::down, {node}, fmt::format("node {} was lost: {}", node, what.reason));
  } else if (node == 0) {
    taken_in = false;
    end_here();
    if (!over && !ending)
      tell(node_news::kind::down, {0}, fmt::format("node 0 was lost: {}", what.reason));
  } else if (concerns_us) {
    order_to(0,
             order::lost{.other = known.admitted(node),
                         .own_term = known.admitted(me).term,
                         .reason = what.reason});
  }
  changed.notify_all();
}

void cluster_world::impl::refused(const std::string& text) {
  const std::lock_guard lock(mutex);
  last_refusal = text;
  tell(node_news::kind::refused, {}, text);
  changed.notify_all();
}

// By the lookout, which holds no lock meanwhile.
void cluster_world::impl::tell(node_news::kind what,
                               std::vector<std::uint32_t> nodes,
                               std::string text) {
  news.push_back({what, std::move(nodes), std::move(text)});
  changed.notify_all();
}

void cluster_world::impl::finish(order::over how) {
  if (over) return;
  over = std::move(how);
  changed.notify_all();
}

std::vector<std::uint32_t> cluster_world::impl::missing() const {
  if (leads()) return leader.missing();
  return taken_in ? std::vector<std::uint32_t>{} : std::vector<std::uint32_t>{0};
}

// What keeps a node that dials from node 0, or what node 0 refused last.
std::string cluster_world::impl::trouble() const {
  for (const auto& d : link->report().dials)
    if (!leads() && !d.trouble.empty() && d.tries > 0 && !d.abandoned)
      return fmt::format("{}: {} (tried {} times)", d.endpoint, d.trouble, d.tries);
  return last_refusal;
}

// Why they do not belong together, where node 0 has said so.
std::optional<std::string> cluster_world::impl::refused_for_good() const {
  if (!leads())
    for (const auto& d : link->report().dials)
      if (d.abandoned && d.endpoint == options.coordinator) return d.trouble;
  return {};
}

void cluster_world::impl::give_up_waiting(error_text why) {
  if (!leads()) return finish({.failure = std::move(why)});
  gave_up = true;
  if (plays)
    here.hear(directing, directing, protocol::job_failed{std::move(why)});
  else
    nobody_came = std::move(why);
  changed.notify_all();
}

// Tells what there is to tell; as long as nodes are missing, which and why.
void cluster_world::impl::look_out() {
  std::unique_lock lock(mutex);
  missing_nodes wait({.nodes = options.nodes,
                      .me = me,
                      .coordinator = options.coordinator,
                      .first_word = options.first_word,
                      .advice_after = options.advice_after});
  while (!ending) {
    const auto now = here.now();
    if (!over && !gave_up) look_for_missing(wait, now);
    judge(now);
    if (!news.empty()) {
      const auto one = std::move(news.front());
      news.pop_front();
      lock.unlock();
      if (options.on_news) options.on_news(one);
      lock.lock();
    } else if (over) {
      lock.unlock();
      options.on_over(*over); // fixed by now
      return;
    } else if (is_playing() && now >= figures_at) {
      tell_figures(lock, now);
    } else {
      std::chrono::nanoseconds pause = std::chrono::hours(1);
      if (is_playing()) pause = figures_at - now;
      if (!reports.empty()) pause = std::min(pause, reports.front().due - now);
      if (!wait.nodes().empty() && !gave_up)
        pause = std::min({pause, wait.pause(now), patience_of(wait) - wait.waited(now)});
      changed.wait_for(lock, pause);
    }
  }
}

// A node that is silent is soon lost to node 0 as well, and its term over: then no other is to
// blame, and the report is of a term that has ended.
void cluster_world::impl::judge(std::chrono::nanoseconds now) {
  while (!reports.empty() && reports.front().due <= now) {
    apply(leader.lost(reports.front().from, reports.front().what));
    reports.pop_front();
  }
}

std::chrono::nanoseconds cluster_world::impl::patience_of(const missing_nodes& wait) const {
  const auto rejoin =
      leads() && plays ? options.move_after.value_or(options.rejoin_within) : options.rejoin_within;
  return wait.was_complete() ? rejoin : options.join_within;
}

// Node 0 tells its owner, the others tell node 0.
void cluster_world::impl::tell_figures(std::unique_lock<talk_mutex>& lock,
                                       std::chrono::nanoseconds now) {
  const auto sent = traffic_of(link->report(), ordinals);
  figures_at = now + options.figures_every;
  if (!leads()) {
    if (backlog[0].empty()) order_to(0, sent);
    return;
  }
  board.note({me, known.admitted(me).life}, sent);
  for (std::uint32_t n = 0; n < options.nodes; ++n) {
    const bool is_up = leader.is_there(n);
    board.note(n, is_up, known.admitted(n).term - (is_up ? 1 : 0), now);
  }
  const auto all = board.all(now);
  const auto links_told = static_cast<std::int64_t>(all.links.size());
  figures_at = now + std::max(options.figures_every, links_told * pause_per_link);
  lock.unlock();
  if (options.on_figures) options.on_figures(all);
  lock.lock();
}

void cluster_world::impl::look_for_missing(missing_nodes& wait, std::chrono::nanoseconds now) {
  wait.update(missing(), now);
  if (wait.nodes().empty()) return;
  if (const auto why = refused_for_good())
    give_up_waiting({.what = fmt::format("node {} does not belong to the job", me),
                     .where = options.coordinator,
                     .why = *why,
                     .help = "start all nodes with one version, TROUPE_JOB, wiring and job, each "
                             "with a number of its own",
                     .kind = error_kind::request});
  else if (plays && leads() && options.move_after && wait.waited(now) >= *options.move_after)
    for (const auto node : missing()) {
      tell(node_news::kind::down,
           {node},
           fmt::format("node {} stays away: its actors go on elsewhere", node));
      apply(leader.move_from(node));
    }
  else if (wait.waited(now) >= patience_of(wait))
    give_up_waiting(wait.failure(wait.waited(now), trouble()));
  else if (auto text = wait.due(now, trouble()); !text.empty())
    tell(node_news::kind::waiting, wait.nodes(), std::move(text));
}

cluster_world::cluster_world(cluster_world_options options)
    : impl_(std::make_unique<impl>(std::move(options))) {}

cluster_world::~cluster_world() {
  stop();
}

void cluster_world::add(const address& who, role_factory make) {
  const auto node = impl_->options.node_of(who);
  impl_->known.add(who, node);
  if (impl_->leads()) impl_->board.plays(node);
  impl_->here.add(who, std::move(make));
}

void cluster_world::kill_at(const fault_point& where) {
  impl_->here.kill_at(where);
}

void cluster_world::slow(const address& who, double factor) {
  impl_->here.slow(who, factor);
}

void cluster_world::observe(world_observer& by) {
  impl_->here.observe(by);
}

void cluster_world::start() {
  impl& w = *impl_;
  std::unique_lock lock(w.mutex); // callbacks wait until there is a node
  w.link.emplace(
      w.options.link,
      net::node_callbacks{
          .on_parcel = [&w](const net::node_life& from, net::parcel p) { w.heard(from, p); },
          .on_up = [&w](const net::peer& who) { w.up(who); },
          .on_down = [&w](const net::peer_down& what) { w.down(what); },
          .on_refused = [&w](const std::string& text) { w.refused(text); },
          .on_relieved = [&w](const net::node_life& who) { w.relieved(who); }});
  if (w.leads()) {
    w.known.admit({0, w.link->report().me.life, 1});
    w.board.came(0, net::this_process().number);
  }
  w.lookout = std::thread([&w] { w.look_out(); });
  if (!w.leads()) return;
  w.changed.wait(lock, [&w] { return w.nobody_came || w.leader.missing().empty(); });
  if (w.nobody_came) {
    w.conclusion.failure = *w.nobody_came; // for those that came
    throw error(*w.nobody_came);
  }
  w.plays = true;
  w.begin({{}, w.leader.start(w.known.all()), true});
  w.changed.notify_all();
}

void cluster_world::begin_again(const std::string& where, const std::function<void()>& set) {
  impl& w = *impl_;
  {
    const std::lock_guard lock(w.mutex);
    w.beginning_again = true;
  }
  w.here.end_all(); // they may wait for the lock
  set();
  const std::lock_guard lock(w.mutex);
  w.beginning_again = false;
  if (!w.ending) w.begin({{}, w.leader.start(w.known.all()), true, where});
}

void cluster_world::send(const address& to, message m) {
  impl_->here.send(to, std::move(m));
}

void cluster_world::kill(const address& who) {
  impl_->here.kill(who);
}

void cluster_world::conclude(const order::over& how) {
  const std::lock_guard lock(impl_->mutex);
  impl_->conclusion = how;
}

void cluster_world::drain(std::uint32_t node) {
  const std::lock_guard lock(impl_->mutex);
  impl_->apply(impl_->leader.drain(node));
  impl_->end_emptied();
}

void cluster_world::stop() {
  impl& w = *impl_;
  {
    const std::lock_guard lock(w.mutex);
    if (std::exchange(w.ending, true)) return;
    if (w.leads() && w.link)
      for (const auto& [node, o] : w.leader.to_all(w.conclusion))
        w.order_to(node, o);
    w.changed.notify_all();
  }
  if (w.lookout.joinable()) w.lookout.join();
  w.desk.end();
  w.here.stop();
  if (w.link) w.link->stop(std::chrono::seconds(2));
}

} // namespace troupe
