// Messages of actors, and orders between nodes: [flags][payloads: count, a byte each with
// floats][body]. With flag 1 payloads do not lie on a line of 64 bytes, and are copied.
#include "actors/wire/message_codec.hpp"
#include "actors/wire/order.hpp"
#include "fuzz/targets/target.hpp"
#include "net/archive.hpp"

#include <array>

namespace troupe::fuzz {

namespace {

alignas(64) std::array<float, 320> floats{};

net::payload some_floats(std::size_t count, bool aligned) {
  static const auto owner = std::make_shared<int>();
  return {owner, std::as_bytes(std::span(floats).subspan(aligned ? 0 : 1, count))};
}

std::string seed(const message& m) {
  const net::parcel p = encode({{.role = role_kind::layer_shard}, m});
  std::string out{'\0', static_cast<char>(p.payloads.size())};
  for (const auto& one : p.payloads)
    out += static_cast<char>(one.bytes.size() / sizeof(float));
  return out + text_of(p.body);
}

template <std::size_t I = 0>
void each_message(std::vector<std::string>& out) {
  if constexpr (I < std::variant_size_v<message>) {
    const message m(std::in_place_index<I>);
    if (may_cross(m)) out.push_back(seed(m));
    each_message<I + 1>(out);
  }
}

tensor floats_of(std::int64_t rows) {
  mutable_tensor out = buffer_pool::global().take({rows, 8});
  return std::move(out).freeze();
}

} // namespace

std::vector<std::string> seeds() {
  std::vector<std::string> out;
  each_message(out);
  const tensor t = floats_of(4);
  const std::vector<tensor> kept = {t, {}};
  for (const message& m : {message(protocol::gradient{1, 2, {0, 4}, t, true}),
                           message(protocol::batch{1, 2, {t, {}, 128}}),
                           message(protocol::pull_parameters{3, {}, {{1, 2}, {3, 4}}}),
                           message(protocol::job_ended{1, 2, false, {.what = "what"}, kept}),
                           message(protocol::evaluated{1, 2, {{0.5, 0.25}, 3, 4}, {}})})
    out.push_back(seed(m));
  const address who{.role = role_kind::layer_shard};
  for (const cluster_order& o : {cluster_order(order::view{{{1, 2, 3}}, {{who, 4, 5}}, "step 0"}),
                                 cluster_order(order::place{{{1, 2, 3}}, {{who, 4, 5}}}),
                                 cluster_order(order::leave{"why"}),
                                 cluster_order(order::lost{{1, 2, 3}, 4, "silent"}),
                                 cluster_order(order::kill{who}),
                                 cluster_order(order::over{5, 6, true, false, {.what = "what"}})})
    out.push_back(std::string(2, '\0') + text_of(encode(o).body));
  return out;
}

} // namespace troupe::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace troupe;
  using namespace troupe::fuzz;
  bytes in(data, size);
  const bool aligned = (in.byte() & 1) == 0;
  net::parcel p;
  p.payloads.resize(in.byte() % 8);
  for (net::payload& one : p.payloads)
    one = some_floats(in.byte(), aligned);
  p.body = in.rest();
  try {
    const meter limit(p.bytes());
    const net::parcel again = is_order(p) ? encode(decode_order(p)) : encode(decode_message(p));
    require(again.body == p.body && again.payloads.size() == p.payloads.size(),
            "a message can be written in one way only");
  } catch (const net::malformed&) {
    return 0;
  }
  return 0;
}
