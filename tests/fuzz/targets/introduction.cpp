// Bodies of hello, welcome and refusal: [which][body].
#include "net/introduction.hpp"

#include "fuzz/targets/target.hpp"
#include "net/archive.hpp"

namespace troupe::fuzz {

std::vector<std::string> seeds() {
  const net::introduction self{
      "job", 1, 2, {"role"}, {"tcp://127.0.0.1:1", ""}, "key", {3, 4}, {5, 6, 7}};
  net::welcome_body welcome{.self = self, .number = 5, .gave_up = 6};
  welcome.neighbours = {{7, {"ipc://x"}, "key"}, {8, {}, ""}};
  return {'\0' + text_of(encode(net::hello_body{self, 1, 2})),
          '\1' + text_of(encode(welcome)),
          '\2' + text_of(encode(net::refusal_body{true, "why"}))};
}

} // namespace troupe::fuzz

namespace {

template <class Decode>
void read(const std::vector<std::byte>& body, Decode decode) {
  const troupe::fuzz::meter limit(body.size());
  const auto said = decode(body);
  troupe::fuzz::require(encode(said) == body, "a body can be written in one way only");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace troupe;
  fuzz::bytes in(data, size);
  const std::uint8_t which = in.byte();
  const auto body = in.rest();
  try {
    if (which % 3 == 0) read(body, net::decode_hello);
    if (which % 3 == 1) read(body, net::decode_welcome);
    if (which % 3 == 2) read(body, net::decode_refusal);
  } catch (const net::malformed&) {
    return 0;
  }
  return 0;
}
