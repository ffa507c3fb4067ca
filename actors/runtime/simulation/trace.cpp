#include "actors/runtime/simulation/trace.hpp"

#include "actors/message_facts.hpp"

namespace troupe::simulation {

namespace {

std::uint64_t number_of(const address& a) { // replicas above 65,535 share its upper bits
  return (static_cast<std::uint64_t>(a.role) << 48U) ^ (std::uint64_t{a.replica} << 32U) ^
         (std::uint64_t{a.stage} << 16U) ^ a.slice;
}

std::uint64_t hash_of(const char* text) { // FNV-1a
  std::uint64_t out = 0xCBF29CE484222325U;
  for (; *text != 0; ++text)
    out = (out ^ static_cast<unsigned char>(*text)) * 0x100000001B3U;
  return out;
}

} // namespace

void trace::fold(std::uint64_t number) { // the finaliser of splitmix64
  hash_ += number + 0x9E3779B97F4A7C15U;
  hash_ = (hash_ ^ (hash_ >> 30U)) * 0xBF58476D1CE4E5B9U;
  hash_ = (hash_ ^ (hash_ >> 27U)) * 0x94D049BB133111EBU;
  hash_ ^= hash_ >> 31U;
}

void trace::note(const heard_message& m) {
  auto& name = name_hashes_[m.content->index()];
  if (name == 0) name = hash_of(message_name(*m.content));
  fold(static_cast<std::uint64_t>(m.when.count()));
  fold(number_of(m.from));
  fold(number_of(m.to));
  fold(name);
  fold(message_key(*m.content));
  ++events_;
}

} // namespace troupe::simulation
