// Bytes of small data files: IDX, CIFAR-10, gzip.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::test {

inline std::string idx_bytes(const std::vector<std::uint32_t>& sizes, std::string_view values) {
  std::string bytes = {'\0', '\0', '\x08', static_cast<char>(sizes.size())};
  for (const std::uint32_t size : sizes)
    for (int shift = 24; shift >= 0; shift -= 8)
      bytes += static_cast<char>(size >> shift & 0xffU);
  return bytes.append(values);
}

// `n` values 0, 1, 2, ... (modulo 251, so that rows of a power of two differ).
inline std::string ramp(std::size_t n) {
  std::string values(n, '\0');
  for (std::size_t i = 0; i < n; ++i)
    values[i] = static_cast<char>(i % 251);
  return values;
}

inline std::string cifar10_record(char label, char pixel) {
  return std::string(1, label) + std::string(3072, pixel);
}

inline std::string gzip(std::string_view bytes) {
  z_stream stream{};
  deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

} // namespace troupe::test
