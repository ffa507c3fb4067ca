#include "net/zeromq/zap.hpp"

#include <zmq.hpp>

#include <array>
#include <vector>

namespace troupe::net {

zap_handler::zap_handler(zmq::context_t& context, question admits)
    : socket_(std::make_unique<zmq::socket_t>(context, zmq::socket_type::rep)),
      admits_(std::move(admits)) {
  socket_->set(zmq::sockopt::linger, 0);
  socket_->bind("inproc://zeromq.zap.01");
}

zap_handler::~zap_handler() = default;

void* zap_handler::handle() {
  return socket_->handle();
}

void zap_handler::serve() {
  while (answer()) {
  }
}

// Version, request, domain, address, identity, mechanism, key.
bool zap_handler::answer() {
  std::vector<zmq::message_t> asked;
  do {
    asked.emplace_back();
    if (!socket_->recv(asked.back(), zmq::recv_flags::dontwait)) return false;
  } while (asked.back().more());
  std::string key;
  if (asked.size() == 7 && asked[0].to_string_view() == "1.0" &&
      asked[5].to_string_view() == "CURVE" && asked[6].size() == 32) {
    std::array<char, 41> text{};
    zmq_z85_encode(text.data(), asked[6].data<std::uint8_t>(), 32);
    key = text.data();
  }
  const bool good = !key.empty() && admits_(key);
  const std::string request = asked.size() > 1 ? asked[1].to_string() : "";
  const std::array<std::string, 6> said{
      "1.0", request, good ? "200" : "400", good ? "OK" : "unknown key", good ? key : "", ""};
  for (std::size_t i = 0; i < said.size(); ++i)
    socket_->send(zmq::buffer(said[i]),
                  i + 1 < said.size() ? zmq::send_flags::sndmore : zmq::send_flags::none);
  return true;
}

} // namespace troupe::net
