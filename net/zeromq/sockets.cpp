#include "net/zeromq/sockets.hpp"

#include "net/poll_set.hpp"
#include "net/zeromq/visitors.hpp"
#include "net/zeromq/zap.hpp"
#include "ops/error.hpp"

#include <sys/eventfd.h>
#include <unistd.h>
#include <zmq.hpp>

#include <algorithm>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>

namespace troupe::net {

namespace {

// How long the last words of a socket may take; then its end does not wait for them.
constexpr int linger_ms = 100;
// ZeroMQ's own reconnection. Switched off (-1), it would drop what came last before a connection
// broke; so it waits for longer than anybody leaves a broken socket open.
constexpr int never_ms = 3'600'000;
constexpr int messages_at_a_time = 256;
constexpr int sockets_max = 16384; // three for each connection that is dialled
constexpr int handshake_ms = 1000; // who connects and says nothing costs a descriptor for so long
constexpr int backlog = 1024;      // of those who connect while this machine is busy
constexpr int queue_parts_max = 10000; // of a peer that sends more than its window allows

std::string system_text(int code) {
  return zmq_strerror(code);
}

// inproc:// reaches the sockets of one context, so nodes of a process that use it share one.
std::shared_ptr<zmq::context_t> context_of(const socket_options& options) {
  if (!options.shares_process)
    return std::make_shared<zmq::context_t>(options.io_threads, sockets_max);
  static std::mutex mutex;
  static std::weak_ptr<zmq::context_t> shared;
  const std::lock_guard lock(mutex);
  auto out = shared.lock();
  if (!out) shared = out = std::make_shared<zmq::context_t>(options.io_threads, sockets_max);
  return out;
}

// The payload stays alive until ZeroMQ has sent it.
zmq::message_t message_of(const payload& p) {
  if (p.bytes.empty()) return {};
  auto kept = std::make_unique<payload>(p);
  void* bytes = const_cast<std::byte*>(p.bytes.data()); // ZeroMQ only reads
  zmq::message_t out(
      bytes,
      p.bytes.size(),
      [](void*, void* hint) { const std::unique_ptr<payload> done(static_cast<payload*>(hint)); },
      kept.get());
  (void)kept.release();
  return out;
}

payload payload_of(zmq::message_t message) {
  auto kept = std::make_shared<zmq::message_t>(std::move(message));
  return {kept, {kept->data<std::byte>(), kept->size()}};
}

// A socket's monitor. It ends before either socket does: a monitor that nobody hears would block.
class watch {
public:
  watch(zmq::context_t& context, zmq::socket_t& watched, const std::string& name, int events)
      : watched_(watched.handle()), events_(context, zmq::socket_type::pair) {
    const std::string where = "inproc://monitor-" + name;
    zmq_socket_monitor(watched_, where.c_str(), events);
    events_.set(zmq::sockopt::linger, 0);
    events_.connect(where);
  }

  watch(const watch&) = delete;
  watch& operator=(const watch&) = delete;

  ~watch() { zmq_socket_monitor(watched_, nullptr, 0); }

  void* handle() { return events_.handle(); }

  struct event {
    std::uint16_t kind = 0;
    std::uint32_t value = 0;
  };

  std::optional<event> next() {
    zmq::message_t what, address;
    if (!events_.recv(what, zmq::recv_flags::dontwait)) return {};
    if (what.more()) (void)events_.recv(address, zmq::recv_flags::dontwait);
    event out;
    if (what.size() < 6) return out;
    std::memcpy(&out.kind, what.data(), 2);
    std::memcpy(&out.value, what.data<char>() + 2, 4);
    return out;
  }

private:
  void* watched_;
  zmq::socket_t events_;
};

std::string trouble_of(const watch::event& event) {
  switch (event.kind) {
  case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
    return "its node does not know the key";
  case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
    return event.value == ZMQ_PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC
               ? "bytes that cannot be decrypted"
               : "the other side encrypts in another way, or not at all";
  case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
    return "it broke before the handshake was done: is the key of the other side the right one?";
  case ZMQ_EVENT_DISCONNECTED:
    return "the connection broke";
  case ZMQ_EVENT_CLOSED:
    return "nobody answers there";
  default:
    return "";
  }
}

constexpr int ends_and_reasons =
    ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CLOSED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
    ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL;

// What ends a wait().
class bell {
public:
  bell() = default;
  bell(const bell&) = delete;
  bell& operator=(const bell&) = delete;

  ~bell() { ::close(descriptor_); }

  [[nodiscard]] int descriptor() const { return descriptor_; }

  void ring() const {
    const std::uint64_t one = 1;
    (void)!::write(descriptor_, &one, sizeof one);
  }

  void hush() const {
    std::uint64_t ignored = 0;
    (void)!::read(descriptor_, &ignored, sizeof ignored);
  }

private:
  int descriptor_ = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
};

struct dialled {
  zmq::socket_t socket;
  watch monitor; // after its socket: ends before it
  std::string trouble;
  bool leaves_machine = true;
  bool used = true; // since it was read to its end: its descriptor may have forgotten what came

  dialled(zmq::context_t& context, const std::string& name)
      : socket(context, zmq::socket_type::dealer),
        monitor(context, socket, name, ends_and_reasons) {}
};

} // namespace

struct sockets::state {
  socket_options options;
  std::shared_ptr<zmq::context_t> context;
  std::shared_ptr<const bell> wake = std::make_shared<bell>();
  std::unique_ptr<zap_handler> zap; // before all that listens
  std::optional<zmq::socket_t> router;
  std::optional<watch> router_monitor;
  visitors accepted;
  std::map<connection, dialled> dials;
  std::deque<socket_event> found;
  poll_set waited_for;
  std::span<const std::uint64_t> readable; // the numbers of what has come
  bool router_used = true;                 // as of those dialled
  std::vector<connection> used;            // those dialled that may be so
  std::uint64_t monitors = 0;

  explicit state(socket_options o) : options(std::move(o)), context(context_of(options)) {
    waited_for.add(wake->descriptor(), rung);
    if (!options.keys) return;
    zap = std::make_unique<zap_handler>(*context, options.admits);
    wait_for(zap->handle(), asked);
    zap->serve();
  }

  state(const state&) = delete;
  state& operator=(const state&) = delete;

  void prepare(zmq::socket_t& s) const {
    s.set(zmq::sockopt::linger, linger_ms);
    s.set(zmq::sockopt::sndhwm, 0); // the windows of the links are the bound
    s.set(zmq::sockopt::rcvhwm, queue_parts_max);
    s.set(zmq::sockopt::maxmsgsize, static_cast<std::int64_t>(options.message_bytes_max));
    s.set(zmq::sockopt::handshake_ivl, handshake_ms);
    s.set(zmq::sockopt::backlog, backlog);
    if (!options.keys) return;
    s.set(zmq::sockopt::curve_publickey, options.keys->public_key);
    s.set(zmq::sockopt::curve_secretkey, options.keys->secret.reveal());
  }

  std::string monitor_name() {
    return std::to_string(reinterpret_cast<std::uintptr_t>(this)) + "-" +
           std::to_string(++monitors);
  }

  void make_router() {
    router.emplace(*context, zmq::socket_type::router);
    prepare(*router);
    router->set(zmq::sockopt::router_mandatory, true); // or it would drop without a word
    if (options.keys) {
      router->set(zmq::sockopt::curve_server, true);
      router->set(zmq::sockopt::zap_domain, "troupe");
    }
    router_monitor.emplace(*context, *router, monitor_name(), ZMQ_EVENT_DISCONNECTED);
    see_accepted();
    wait_for(router->handle(), came);
    wait_for(router_monitor->handle(), left);
  }

  // What numbers of descriptors mean; those dialled have two each from `dialled_first` on.
  enum : std::uint64_t { rung, other, asked, came, left, dialled_first = 8 };

  void wait_for(void* socket, std::uint64_t number) {
    waited_for.add(descriptor_of(socket), number);
  }

  void wait_for(connection id, dialled& d) {
    wait_for(d.socket.handle(), dialled_first + 2 * id);
    wait_for(d.monitor.handle(), dialled_first + 2 * id + 1);
  }

  void close(connection id) {
    const auto at = dials.find(id);
    if (at == dials.end()) return;
    waited_for.remove(descriptor_of(at->second.socket.handle()));
    waited_for.remove(descriptor_of(at->second.monitor.handle()));
    dials.erase(at);
  }

  static int descriptor_of(void* socket) {
    int out = -1;
    std::size_t size = sizeof out;
    (void)zmq_getsockopt(socket, ZMQ_FD, &out, &size);
    return out;
  }

  // A socket tells its descriptor only of what comes after somebody looked for it in vain, and
  // whoever uses it next may take notice.
  static bool has_come(zmq::socket_t& s) { return (s.get(zmq::sockopt::events) & ZMQ_POLLIN) != 0; }

  bool something_came() {
    bool out = router && router_used && has_come(*router);
    router_used = out;
    std::erase_if(used, [&](connection id) {
      const auto at = dials.find(id);
      if (at == dials.end() || !at->second.used) return true;
      at->second.used = has_come(at->second.socket);
      out = out || at->second.used;
      return !at->second.used;
    });
    return out;
  }

  void use(connection id, dialled& d) {
    if (!std::exchange(d.used, true)) used.push_back(id);
  }

  // One message of a socket that has told, and all of one that is known to have more: looking in
  // vain costs as much as a message.
  void collect_used() {
    if (router_used) receive_accepted(messages_at_a_time);
    for (const connection id : std::vector<connection>(used))
      if (const auto at = dials.find(id); at != dials.end() && at->second.used)
        receive_dialled(id, at->second, messages_at_a_time);
  }

  void collect(std::uint64_t number) {
    switch (number) {
    case rung:
      return wake->hush();
    case other:
      return; // its owner looks at it
    case asked:
      return zap->serve();
    case came:
      return router_used ? void() : receive_accepted(1);
    case left:
      return see_accepted();
    default:
      return collect_dialled(number - dialled_first);
    }
  }

  void collect_dialled(std::uint64_t number) {
    const auto at = dials.find(number / 2);
    if (at == dials.end()) return;
    if (number % 2 == 1) return see_dialled(at->first, at->second);
    if (!at->second.used) receive_dialled(at->first, at->second, 1);
  }

  // The rest of a message whose first part is there.
  static void take_payloads(zmq::socket_t& from, bool more, socket_message& into) {
    while (more) {
      zmq::message_t part;
      (void)from.recv(part, zmq::recv_flags::dontwait); // all parts come together
      more = part.more();
      into.payloads.push_back(payload_of(std::move(part)));
    }
  }

  void receive_accepted(int most) {
    router_used = true; // unless it is read to its end
    for (int i = 0; i < most; ++i) {
      zmq::message_t route, first;
      if (!router->recv(route, zmq::recv_flags::dontwait)) {
        router_used = false;
        return;
      }
      if (!route.more() || !router->recv(first, zmq::recv_flags::dontwait)) continue;
      socket_message out;
      out.from = connection_of(route.to_string(), first);
      if (options.keys)
        if (const char* user = zmq_msg_gets(first.handle(), "User-Id")) out.key = user;
      const bool more = first.more();
      out.first = payload_of(std::move(first));
      take_payloads(*router, more, out);
      if (out.from != 0) found.emplace_back(std::move(out));
    }
  }

  // 0: nobody listens to it any more.
  connection connection_of(const std::string& route, zmq::message_t& first) {
    if (const connection c = accepted.find(route); c != 0) return c;
    if (!accepted.may_enter(route)) return 0;
    see_accepted(); // the end of whoever had this descriptor before
    const connection fresh = options.fresh_connection();
    accepted.enter(route, zmq_msg_get(first.handle(), ZMQ_SRCFD), fresh);
    return fresh;
  }

  void see_accepted() {
    while (const auto event = router_monitor->next())
      for (const connection c : accepted.leave(static_cast<int>(event->value)))
        found.emplace_back(socket_broken{c, "the connection broke"});
  }

  void receive_dialled(connection id, dialled& d, int most) {
    use(id, d); // unless it is read to its end
    for (int i = 0; i < most; ++i) {
      zmq::message_t first;
      if (!d.socket.recv(first, zmq::recv_flags::dontwait)) {
        d.used = false;
        return;
      }
      socket_message out;
      out.from = id;
      const bool more = first.more();
      out.first = payload_of(std::move(first));
      take_payloads(d.socket, more, out);
      found.emplace_back(std::move(out));
    }
  }

  // What came before its end is heard first.
  void see_dialled(connection id, dialled& d) {
    bool ended = false;
    while (const auto event = d.monitor.next()) {
      const std::string trouble = trouble_of(*event);
      if (d.trouble.empty()) d.trouble = trouble;
      // After bytes that it cannot decrypt, ZeroMQ leaves a connection open and reads no more.
      ended = ended || event->kind == ZMQ_EVENT_DISCONNECTED || event->kind == ZMQ_EVENT_CLOSED ||
              event->kind == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL;
    }
    if (!ended) return;
    receive_dialled(id, d, messages_at_a_time);
    found.emplace_back(socket_broken{id, d.trouble});
  }

  // What is not lent.
  static std::ptrdiff_t to_follow(const std::vector<payload>& payloads) {
    return std::count_if(
        payloads.begin(), payloads.end(), [](const payload& p) { return !p.lent; });
  }

  static void send_rest(zmq::socket_t& by, const std::vector<payload>& payloads) {
    auto left = to_follow(payloads);
    for (const payload& p : payloads) {
      if (p.lent) continue;
      zmq::message_t part = message_of(p);
      const auto more = --left > 0 ? zmq::send_flags::sndmore : zmq::send_flags::none;
      (void)by.send(part, zmq::send_flags::dontwait | more);
    }
  }
};

sockets::sockets(socket_options options) : state_(std::make_unique<state>(std::move(options))) {}

sockets::~sockets() = default;

std::string sockets::listen(const std::string& endpoint) {
  if (!state_->router) state_->make_router();
  try {
    state_->router->bind(endpoint);
  } catch (const zmq::error_t& e) {
    throw error(
        {.what = "cannot listen at '" + endpoint + "'",
         .where = "",
         .why = system_text(e.num()),
         .help = e.num() == EADDRINUSE ? "choose another port, or * for any that is free" : "",
         .kind = error_kind::environment});
  }
  return state_->router->get(zmq::sockopt::last_endpoint);
}

std::string sockets::dial(const dial_order& order) {
  try {
    check_endpoint(order.endpoint, state_->options.keys.has_value(), "");
    if (order.endpoint.rfind("inproc:", 0) == 0 && !state_->options.shares_process)
      return "inproc is for nodes of one process";
    auto& d =
        state_->dials.try_emplace(order.id, *state_->context, state_->monitor_name()).first->second;
    d.leaves_machine = order.endpoint.rfind("tcp:", 0) == 0;
    auto& made = d.socket;
    state_->prepare(made);
    made.set(zmq::sockopt::reconnect_ivl, never_ms);
    if (state_->options.keys) made.set(zmq::sockopt::curve_serverkey, order.server_key);
    made.connect(order.endpoint);
    state_->wait_for(order.id, d);
    state_->used.push_back(order.id);
    state_->see_dialled(order.id, d);
    return "";
  } catch (const zmq::error_t& e) {
    close(order.id);
    return system_text(e.num());
  } catch (const error& e) {
    return e.text().what;
  }
}

void sockets::close(connection c) {
  state_->accepted.forget(c);
  state_->close(c);
}

bool sockets::send(connection c, const frame& f, bool damaged) {
  zmq::socket_t* by = nullptr;
  zmq::message_t route;
  bool leaves_machine = true;
  if (const auto dialled = state_->dials.find(c); dialled != state_->dials.end()) {
    by = &dialled->second.socket;
    state_->use(c, dialled->second);
    leaves_machine = dialled->second.leaves_machine;
  } else if (const visitors::way* known = state_->accepted.way_to(c)) {
    by = &*state_->router;
    state_->router_used = true;
    route = zmq::message_t(known->route);
    leaves_machine = known->leaves_machine;
  } else {
    return false;
  }
  const bool checked = leaves_machine && !state_->options.keys && state_->options.check_payloads;
  auto first = encode(f, checked);
  if (damaged) first.back() ^= std::byte{1};
  const auto flags = zmq::send_flags::dontwait;
  const bool more = state::to_follow(f.content.payloads) > 0;
  const auto last = more ? flags | zmq::send_flags::sndmore : flags;
  try {
    if (route.size() > 0 && !by->send(route, flags | zmq::send_flags::sndmore)) return false;
    if (!by->send(zmq::buffer(first), last)) return false;
    state::send_rest(*by, f.content.payloads);
  } catch (const zmq::error_t&) { // nobody is at the end of the route
    return false;
  }
  return true;
}

void sockets::also_wait_for(int descriptor) {
  state_->waited_for.add(descriptor, state::other);
}

bool sockets::prepare() {
  return state_->something_came() || !state_->found.empty();
}

void sockets::wait(std::chrono::nanoseconds longest) {
  state_->readable = state_->waited_for.wait(
      std::clamp<std::chrono::milliseconds>(std::chrono::ceil<std::chrono::milliseconds>(longest),
                                            std::chrono::milliseconds(0),
                                            std::chrono::seconds(10)));
}

void sockets::collect() {
  state_->collect_used();
  for (const std::uint64_t number : std::exchange(state_->readable, {}))
    state_->collect(number);
}

bool sockets::missed() {
  return state_->something_came();
}

std::optional<socket_event> sockets::next() {
  if (state_->found.empty()) return {};
  socket_event out = std::move(state_->found.front());
  state_->found.pop_front();
  return out;
}

void sockets::shut() {
  state_->dials.clear();
  state_->router_monitor.reset();
  state_->router.reset();
  state_->zap.reset();
  state_->context.reset();
}

void sockets::wake() {
  state_->wake->ring();
}

std::function<void()> sockets::waker() const {
  return [bell = state_->wake] { bell->ring(); };
}

} // namespace troupe::net
