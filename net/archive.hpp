// Cereal archives over bytes in memory, for what comes from other processes: little-endian, and
// bounded. A length is believed only if that many bytes are left, lists take no more memory than
// twice the message (and a little more), a flag is 0 or 1, and no byte may be left over, so a
// hostile message can neither cost memory nor be read in two ways. (Cereal's own binary archive
// takes 2 GB for a frame of 500 bytes that claims so.)
#pragma once

#include "net/frame.hpp"

#include <cereal/cereal.hpp>
#include <cereal/types/map.hpp>
#include <cereal/types/optional.hpp>
#include <cereal/types/string.hpp>
#include <cereal/types/utility.hpp>
#include <cereal/types/vector.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <stdexcept>
#include <type_traits>
#include <vector>

namespace troupe::net {

static_assert(std::endian::native == std::endian::little, "the wire is little-endian");

// What another process sent is not what it should be. The text says what.
struct malformed : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// A frame of another version of the wire format.
struct other_version : malformed {
  using malformed::malformed;
};

class archive_writer
    : public cereal::OutputArchive<archive_writer, cereal::AllowEmptyClassElision> {
public:
  explicit archive_writer(std::vector<std::byte>& out, std::vector<payload>* payloads = nullptr)
      : cereal::OutputArchive<archive_writer, cereal::AllowEmptyClassElision>(this),
        out_(out),
        payloads_(payloads) {}

  void write(const void* data, std::size_t size) {
    const auto before = out_.size();
    out_.resize(before + size);
    if (size > 0) std::memcpy(out_.data() + before, data, size);
  }

  // Large bytes go beside the others; read in the order in which they were attached.
  void attach(payload p) { payloads_->push_back(std::move(p)); }

private:
  std::vector<std::byte>& out_;
  std::vector<payload>* payloads_;
};

class archive_reader : public cereal::InputArchive<archive_reader, cereal::AllowEmptyClassElision> {
public:
  explicit archive_reader(std::span<const std::byte> in, std::span<const payload> payloads = {})
      : cereal::InputArchive<archive_reader, cereal::AllowEmptyClassElision>(this),
        in_(in),
        payloads_(payloads),
        elements_left_(in.size()),
        memory_left_(memory_at_least + 2 * in.size()) {
    for (const payload& p : payloads)
      memory_left_ += 2 * p.bytes.size();
  }

  void read(void* data, std::size_t size) {
    if (size > in_.size()) throw malformed("cut short");
    if (size > 0) std::memcpy(data, in_.data(), size);
    in_ = in_.subspan(size);
  }

  // Of a container, whose elements take a byte each at least. All containers of a message together
  // have no more elements than the message has bytes.
  void check_length(std::uint64_t elements) {
    if (elements > in_.size() || elements > elements_left_)
      throw malformed("a length that the message cannot hold");
    elements_left_ -= elements;
  }

  // Of a list: an empty text takes 4 bytes of a message, and 32 of memory.
  void take_memory(std::uint64_t elements, std::size_t bytes_of_each) {
    if (elements > memory_left_ / bytes_of_each) throw malformed("a list that is too long");
    memory_left_ -= elements * bytes_of_each;
  }

  const payload& take_payload() {
    if (payloads_.empty()) throw malformed("a payload is missing");
    const payload& out = payloads_.front();
    payloads_ = payloads_.subspan(1);
    return out;
  }

  [[nodiscard]] std::span<const std::byte> rest() const { return in_; }

  void finish() const {
    if (!in_.empty() || !payloads_.empty()) throw malformed("bytes that nobody asked for");
  }

private:
  static constexpr std::size_t memory_at_least = std::size_t{64} << 10;

  std::span<const std::byte> in_;
  std::span<const payload> payloads_;
  std::uint64_t elements_left_;
  std::uint64_t memory_left_;
};

// What follows is found by Cereal: its names are not ours.
template <class T>
requires std::is_arithmetic_v<T>

void CEREAL_SAVE_FUNCTION_NAME(archive_writer& a, const T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    const std::uint8_t byte = value ? 1 : 0;
    a.write(&byte, 1);
  } else {
    a.write(&value, sizeof value);
  }
}

template <class T>
requires std::is_arithmetic_v<T>

void CEREAL_LOAD_FUNCTION_NAME(archive_reader& a, T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    std::uint8_t byte = 0;
    a.read(&byte, 1);
    if (byte > 1) throw malformed("a flag that is neither 0 nor 1");
    value = byte == 1;
  } else {
    a.read(&value, sizeof value);
  }
}

template <class T>
void CEREAL_SERIALIZE_FUNCTION_NAME(archive_writer& a, cereal::NameValuePair<T>& pair) {
  a(pair.value);
}

template <class T>
void CEREAL_SERIALIZE_FUNCTION_NAME(archive_reader& a, cereal::NameValuePair<T>& pair) {
  a(pair.value);
}

template <class T>
void CEREAL_SERIALIZE_FUNCTION_NAME(archive_writer& a, cereal::SizeTag<T>& tag) {
  const auto size = static_cast<std::uint32_t>(tag.size);
  a(size);
}

template <class T>
void CEREAL_SERIALIZE_FUNCTION_NAME(archive_reader& a, cereal::SizeTag<T>& tag) {
  std::uint32_t size = 0;
  a(size);
  a.check_length(size);
  tag.size = size;
}

template <class T>
void CEREAL_SAVE_FUNCTION_NAME(archive_writer& a, const cereal::BinaryData<T>& data) {
  a.write(data.data, static_cast<std::size_t>(data.size));
}

template <class T>
void CEREAL_LOAD_FUNCTION_NAME(archive_reader& a, cereal::BinaryData<T>& data) {
  a.read(data.data, static_cast<std::size_t>(data.size));
}

template <class T, class A>
void CEREAL_LOAD_FUNCTION_NAME(archive_reader& a, std::vector<T, A>& list) {
  std::uint64_t count = 0;
  a(cereal::make_size_tag(count));
  if constexpr (std::is_arithmetic_v<T>)
    if (count > a.rest().size() / sizeof(T)) throw malformed("cut short");
  a.take_memory(count, sizeof(T));
  list.resize(static_cast<std::size_t>(count));
  if constexpr (std::is_arithmetic_v<T>)
    a.read(list.data(), list.size() * sizeof(T));
  else
    for (T& one : list)
      a(one);
}

template <class Key, class Value>
void CEREAL_LOAD_FUNCTION_NAME(archive_reader& a, std::map<Key, Value>& map) {
  constexpr std::size_t node_bytes = 48; // beside what it holds
  std::uint64_t count = 0;
  a(cereal::make_size_tag(count));
  a.take_memory(count, sizeof(std::pair<const Key, Value>) + node_bytes);
  map.clear();
  for (; count > 0; --count) {
    Key key{};
    Value value{};
    a(key, value);
    if (!map.empty() && !(map.rbegin()->first < key)) throw malformed("keys out of order");
    map.emplace_hint(map.end(), std::move(key), std::move(value));
  }
}

// An enumeration whose values are 0 to `count` - 1, in one byte.
template <class Enum>
void enumeration(archive_writer& a, const Enum& value, std::size_t) {
  a(static_cast<std::uint8_t>(value));
}

template <class Enum>
void enumeration(archive_reader& a, Enum& value, std::size_t count) {
  std::uint8_t byte = 0;
  a(byte);
  if (byte >= count) throw malformed("a value that the enumeration does not have");
  value = static_cast<Enum>(byte);
}

} // namespace troupe::net

CEREAL_REGISTER_ARCHIVE(troupe::net::archive_writer)
CEREAL_REGISTER_ARCHIVE(troupe::net::archive_reader)
CEREAL_SETUP_ARCHIVE_TRAITS(troupe::net::archive_reader, troupe::net::archive_writer)
