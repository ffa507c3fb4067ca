// Who may connect: ZeroMQ asks for each connection, by its public key (ZAP, RFC 27). A CURVE server
// whose context has no such handler admits every key, so this one is there before a socket listens,
// and what comes without a proven key is not believed either (net/sessions).
#pragma once

#include <functional>
#include <memory>
#include <string>

namespace zmq {
class context_t;
class socket_t;
} // namespace zmq

namespace troupe::net {

class zap_handler {
public:
  using question = std::function<bool(const std::string& key)>;

  zap_handler(zmq::context_t& context, question admits);
  ~zap_handler();

  void* handle();
  void serve(); // answers what waits

private:
  bool answer();

  std::unique_ptr<zmq::socket_t> socket_;
  question admits_;
};

} // namespace troupe::net
