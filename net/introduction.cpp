#include "net/introduction.hpp"

#include "net/archive.hpp"

#include <array>
#include <type_traits>

namespace troupe::net {

namespace {

constexpr std::size_t names_max = 256;       // of roles, of endpoints
constexpr std::size_t neighbours_max = 4096; // that a welcome tells of
constexpr std::size_t text_max = 1024;       // of a name, an endpoint, a key, the text of a refusal

template <class Archive>
void serialize(Archive& a, introduction& i) {
  a(i.job, i.wiring, i.model, i.roles, i.endpoints, i.public_key);
  a(i.process.machine, i.process.number);
  a(i.memory.token, i.memory.memory, i.memory.board);
}

template <class Archive>
void serialize(Archive& a, neighbour& n) {
  a(n.node, n.endpoints, n.public_key);
}

template <class Archive>
void serialize(Archive& a, hello_body& b) {
  serialize(a, b.self);
  a(b.gave_up, b.heard_gave_up);
}

template <class Archive>
void serialize(Archive& a, welcome_body& b) {
  serialize(a, b.self);
  a(b.number, b.gave_up);
  auto count = static_cast<std::uint32_t>(b.neighbours.size());
  a(count);
  if (count > neighbours_max) throw malformed("too many neighbours");
  if constexpr (std::is_same_v<Archive, archive_reader>) a.take_memory(count, sizeof(neighbour));
  b.neighbours.resize(count);
  for (neighbour& n : b.neighbours)
    serialize(a, n);
}

template <class Archive>
void serialize(Archive& a, refusal_body& b) {
  a(b.again, b.text);
}

template <class Body>
std::vector<std::byte> written(Body body) {
  std::vector<std::byte> out;
  archive_writer a(out);
  serialize(a, body);
  return out;
}

template <class Body>
Body read(std::span<const std::byte> bytes) {
  Body out;
  archive_reader a(bytes);
  serialize(a, out);
  a.finish();
  return out;
}

void check_text(const std::string& text) {
  if (text.size() > text_max) throw malformed("a text is too long");
}

void check_names(const std::vector<std::string>& names) {
  if (names.size() > names_max) throw malformed("too many roles or endpoints");
  for (const std::string& name : names)
    check_text(name);
}

void check(const introduction& i) {
  check_text(i.job);
  check_text(i.public_key);
  check_names(i.roles);
  check_names(i.endpoints);
}

std::string digest_text(std::uint64_t digest) {
  std::array<char, 17> out{};
  for (std::size_t i = 0; i < 16; ++i)
    out[i] = "0123456789abcdef"[(digest >> (60 - 4 * i)) & 15];
  return out.data();
}

} // namespace

std::vector<std::byte> encode(const hello_body& body) {
  return written(body);
}

std::vector<std::byte> encode(const welcome_body& body) {
  welcome_body some = body;
  if (some.neighbours.size() > neighbours_max) some.neighbours.resize(neighbours_max);
  return written(std::move(some));
}

std::vector<std::byte> encode(const refusal_body& body) {
  refusal_body some = body;
  if (some.text.size() > text_max) some.text.resize(text_max);
  return written(std::move(some));
}

hello_body decode_hello(std::span<const std::byte> body) {
  auto out = read<hello_body>(body);
  check(out.self);
  return out;
}

welcome_body decode_welcome(std::span<const std::byte> body) {
  auto out = read<welcome_body>(body);
  check(out.self);
  for (const neighbour& n : out.neighbours) {
    check_names(n.endpoints);
    check_text(n.public_key);
  }
  return out;
}

refusal_body decode_refusal(std::span<const std::byte> body) {
  auto out = read<refusal_body>(body);
  check_text(out.text);
  return out;
}

std::string disagreement(const introduction& a,
                         const std::string& name_of_a,
                         const introduction& b,
                         const std::string& name_of_b) {
  std::string out;
  const auto compare = [&](const char* what, const std::string& of_a, const std::string& of_b) {
    if (of_a == of_b) return;
    out += out.empty() ? "" : "; ";
    out += what + (" " + of_a) + " at " + name_of_a + ", " + of_b + " at " + name_of_b;
  };
  compare("job", "'" + a.job + "'", "'" + b.job + "'");
  compare("wiring", digest_text(a.wiring), digest_text(b.wiring));
  compare("model", digest_text(a.model), digest_text(b.model));
  return out;
}

std::string node_name(std::uint32_t node) {
  return node == no_node ? "a node without number" : "node " + std::to_string(node);
}

} // namespace troupe::net
