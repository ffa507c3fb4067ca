#include "net/zeromq/node.hpp"

#include "net/processes.hpp"
#include "net/zeromq/curve.hpp"
#include "net/zeromq/sockets.hpp"
#include "ops/assert.hpp"
#include "ops/error.hpp"

#include <signal.h>
#include <sys/random.h>

#include <algorithm>
#include <mutex>
#include <thread>

namespace troupe::net {

namespace {

time_point now() {
  return std::chrono::steady_clock::now().time_since_epoch();
}

// Lives of one node must differ; nothing that is computed depends on it.
std::uint64_t draw_life() {
  std::uint64_t out = 0;
  while (out == 0)
    TROUPE_ASSERT(::getrandom(&out, sizeof out, 0) == sizeof out, "the system has no entropy");
  return out;
}

// Who says something so soon again will say more: the thread sends all of it together.
constexpr std::chrono::nanoseconds one_of_many = std::chrono::microseconds(20);

// Twice what ZeroMQ gives its own handshake. Without an answer by then, the place is dialled again.
constexpr std::chrono::nanoseconds longest_handshake = std::chrono::seconds(2);

bool is_inproc(const std::string& endpoint) {
  return endpoint.rfind("inproc:", 0) == 0;
}

void check(const node_options& o) {
  for (const auto& endpoint : o.listen)
    check_endpoint(endpoint, o.keys.has_value(), "listen");
  for (const auto& place : o.dial) {
    check_endpoint(place.endpoint, o.keys.has_value(), "dial");
    if (o.keys && !is_key(place.server_key))
      throw error({.what = "no public key for '" + place.endpoint + "'",
                   .where = "dial",
                   .why = "with keys, a node dials only whom it knows",
                   .help = "give the key of that node's .public file"});
  }
  if (o.keys && public_key_of(o.keys->secret) != o.keys->public_key)
    throw error({.what = "the two halves of key '" + o.keys->name + "' do not belong together",
                 .where = "keys",
                 .why = "",
                 .help = "troupe keys --make NAME writes both"});
}

session_options sessions_of(const node_options& o) {
  session_options out;
  out.me = {o.number, o.life};
  out.self = {o.job, o.wiring, o.model, o.roles, {}, o.keys ? o.keys->public_key : ""};
  out.self.process = this_process();
  if (o.shares_memory) out.lends = lender::of_process();
  if (out.lends) out.self.memory = out.lends->name();
  if (o.keys) out.trust = o.trust;
  out.gives = o.gives;
  out.dials_neighbours = o.dials_neighbours;
  out.link = o.link;
  out.limits = o.limits;
  out.give_up_after = o.give_up_after;
  // A peer that can be reached again must not be given up because nobody tried in time.
  out.dial.longest_wait = std::min(out.dial.longest_wait, o.give_up_after / 4);
  out.handshake_within = std::min(o.give_up_after, longest_handshake);
  out.faults = o.faults;
  return out;
}

} // namespace

struct node::state {
  node_options options;
  node_callbacks callbacks;
  std::vector<std::string> endpoints;
  outbox box;
  process_watch processes; // of the thread

  // Held while somebody works on what follows; not while the thread sleeps or calls back.
  std::mutex work;
  trust_list trusted;
  std::optional<sockets> ways;
  std::optional<sessions> who;
  std::optional<time_point> stop_at;
  bool drained = false;
  time_point said_at{0}; // by another thread

  std::thread thread; // last: it uses the others

  state(node_options o, node_callbacks c)
      : options(std::move(o)),
        callbacks(std::move(c)),
        box(options.queue_bytes_max),
        trusted(options.trust) {
    if (options.life == 0) options.life = draw_life();
    check(options);
    open();
  }

  void open() {
    bool shares = false;
    for (const auto& e : options.listen)
      shares = shares || is_inproc(e);
    for (const auto& d : options.dial)
      shares = shares || is_inproc(d.endpoint);
    ways.emplace(socket_options{
        .keys = options.keys,
        .admits = [this](const std::string& key) { return trusted.find(key) != nullptr; },
        .fresh_connection = [this] { return who->fresh_connection(); },
        .message_bytes_max = options.limits.payload_bytes,
        .check_payloads = options.check_payloads,
        .io_threads = options.io_threads,
        .shares_process = shares});
    ways->also_wait_for(processes.descriptor());
    for (const auto& e : options.listen)
      endpoints.push_back(ways->listen(e));
    session_options told = sessions_of(options);
    told.link.on_taken = ways->waker();
    told.self.endpoints = options.advertised.empty() ? endpoints : options.advertised;
    who.emplace(std::move(told));
    for (const auto& place : options.dial)
      who->dial(place.endpoint, place.server_key);
  }

  void run() {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, nullptr); // a signal would end a wait with an error
    while (!round()) {
    }
    const std::lock_guard lock(work);
    ways->shut();
  }

  // Whether it was the last one.
  bool round() {
    ways->wait(time_to_wait());
    tell(collect());
    answer();
    return should_stop();
  }

  std::chrono::nanoseconds time_to_wait() {
    const std::lock_guard lock(work);
    if (ways->prepare()) return {};
    return std::min(who->wake_at(), stop_at.value_or(time_point::max())) - now();
  }

  std::vector<session_event> collect() {
    const std::lock_guard lock(work);
    ways->collect();
    const auto time = now();
    while (auto event = ways->next())
      take(*event, time);
    for (const node_life& one : processes.ended())
      who->process_ended(one, time);
    who->advance(time);
    return events();
  }

  std::vector<session_event> events() {
    std::vector<session_event> out;
    while (auto event = who->next_event())
      out.push_back(std::move(*event));
    return out;
  }

  // What the callbacks said goes with what is to be said anyway.
  void answer() {
    std::vector<node_life> relieved;
    {
      const std::lock_guard lock(work);
      hand_over();
      speak(now());
      relieved = box.keep(who->links());
    }
    for (const node_life& one : relieved)
      if (callbacks.on_relieved) callbacks.on_relieved(one);
  }

  void hand_over() {
    for (posted& p : box.take())
      (void)who->post(p.to, p.lane, std::move(p.content)); // else it went down: told already
  }

  void take(socket_event& event, time_point time) {
    if (auto* message = std::get_if<socket_message>(&event))
      who->received(
          message->from, message->key, message->first.bytes, std::move(message->payloads), time);
    if (const auto* end = std::get_if<socket_broken>(&event)) {
      who->broken(end->id, end->why, time);
      ways->close(end->id);
    }
  }

  void speak(time_point time) {
    while (const auto order = who->next_dial(time)) {
      const std::string trouble = ways->dial(*order);
      if (!trouble.empty()) who->broken(order->id, trouble, time);
    }
    (void)send_all(time);
    while (const auto c = who->next_close())
      ways->close(*c);
  }

  // Whether there is such a connection.
  bool carry(const sending& what) {
    const auto fate = options.faults ? options.faults->of(what.what) : wire_faults::fate::arrives;
    return fate == wire_faults::fate::is_lost ||
           ways->send(what.to, what.what, fate == wire_faults::fate::is_damaged);
  }

  // Whether nothing broke.
  bool send_all(time_point time) {
    bool out = true;
    while (const auto next = who->next_sending(time))
      if (!carry(*next)) {
        who->broken(next->to, "the connection broke", time);
        out = false;
      }
    return out;
  }

  // While the thread sleeps, who has something small to say sends it: waking the thread would take
  // longer. Whether nothing is left for the thread to do.
  bool send_at_once() {
    const std::unique_lock lock(work, std::try_to_lock);
    if (!lock) return false;
    const auto time = now();
    if (time - said_at < one_of_many) return false;
    said_at = time;
    hand_over();
    return send_all(time) && !ways->missed();
  }

  void tell(std::vector<session_event> events) {
    for (session_event& event : events) {
      if (auto* came = std::get_if<parcel_came>(&event)) {
        if (callbacks.on_parcel) callbacks.on_parcel(came->from, std::move(came->content));
      } else if (const auto* up = std::get_if<peer_up>(&event)) {
        box.up(up->who.who);
        processes.add(up->who.who, up->who.process);
        if (callbacks.on_up) callbacks.on_up(up->who);
      } else if (const auto* down = std::get_if<peer_down>(&event)) {
        box.down(down->who);
        processes.remove(down->who);
        if (callbacks.on_down) callbacks.on_down(*down);
      } else if (const auto* refused = std::get_if<node_refused>(&event)) {
        if (callbacks.on_refused) callbacks.on_refused(refused->text);
      }
    }
  }

  bool should_stop() {
    std::vector<session_event> last;
    {
      const std::lock_guard lock(work);
      if (!stop_at) return false;
      box.close();
      hand_over();
      const auto time = now();
      drained = who->is_drained();
      if (!drained && time < *stop_at) return false;
      who->stop("this node ended", time);
      speak(time);
      last = events();
    }
    tell(std::move(last));
    return true;
  }
};

node::node(node_options options, node_callbacks callbacks)
    : state_(std::make_unique<state>(std::move(options), std::move(callbacks))) {
  state_->thread = std::thread([s = state_.get()] { s->run(); });
}

node::~node() {
  stop(std::chrono::seconds(1));
}

sent node::send(const node_life& to, lane_kind lane, parcel content) {
  const bool large = lane == lane_kind::bulk || !content.payloads.empty();
  outbox::hints known;
  state& s = *state_;
  const sent out = s.box.put(to, lane, std::move(content), known);
  if (!known.was_empty || s.thread.get_id() == std::this_thread::get_id()) return out;
  if ((large && !known.borrows) || !s.send_at_once()) s.ways->wake();
  return out;
}

void node::dial(const dial_place& where) {
  state& s = *state_;
  check_endpoint(where.endpoint, s.options.keys.has_value(), "dial");
  const std::lock_guard lock(s.work);
  s.who->dial(where.endpoint, where.server_key);
  s.ways->wake();
}

void node::trust(trust_list list) {
  state& s = *state_;
  const std::lock_guard lock(s.work);
  s.trusted = list;
  s.who->trust(std::move(list), now());
  s.ways->wake();
}

bool node::stop(std::chrono::nanoseconds patience) {
  state& s = *state_;
  TROUPE_ASSERT(s.thread.get_id() != std::this_thread::get_id(), "a callback cannot stop its node");
  if (s.thread.joinable()) {
    {
      const std::lock_guard lock(s.work);
      s.stop_at = now() + patience;
    }
    s.ways->wake();
    s.thread.join();
  }
  const std::lock_guard lock(s.work);
  return s.drained;
}

const std::vector<std::string>& node::endpoints() const {
  return state_->endpoints;
}

node_report node::report() const {
  const std::lock_guard lock(state_->work);
  const sessions& who = *state_->who;
  return {who.me(), who.links(), who.dials(), who.counts()};
}

} // namespace troupe::net
