#include "ops/error.hpp"
#include "ops/files/atomic_file.hpp"
#include "ops/files/count_text.hpp"

#include <zlib.h>

#include <algorithm>
#include <climits>
#include <new>
#include <utility>

namespace troupe {

namespace {

bool has_gzip_magic(std::string_view bytes) {
  return bytes.size() >= 2 && bytes[0] == '\x1f' && bytes[1] == '\x8b';
}

[[noreturn]] void throw_too_large(const std::string& name, std::size_t at, std::size_t bytes_max) {
  throw error({.what = name + " is too large",
               .where = "byte " + count_text(at),
               .why = "it holds more than the " + count_text(bytes_max) + " bytes allowed here",
               .help = "check that it is the right file"});
}

class inflater {
public:
  inflater(std::string_view compressed, const std::string& name, std::size_t bytes_max)
      : compressed_(compressed), name_(name), bytes_max_(bytes_max) {
    constexpr int gzip_only = 16 + MAX_WBITS;
    if (inflateInit2(&stream_, gzip_only) != Z_OK) throw std::bad_alloc();
  }

  inflater(const inflater&) = delete;
  inflater& operator=(const inflater&) = delete;

  ~inflater() { inflateEnd(&stream_); }

  // A gzip file is one or more members, one after the other (RFC 1952, section 2.2).
  std::string run() {
    for (;;) {
      member();
      if (consumed_ == compressed_.size()) break;
      if (!has_gzip_magic(compressed_.substr(consumed_)))
        throw_corrupt("bytes after the gzip data");
      inflateReset(&stream_);
    }
    output_.resize(produced_);
    return std::move(output_);
  }

private:
  void member() {
    for (;;) {
      make_room();
      const std::size_t room = std::min<std::size_t>(output_.size() - produced_, UINT_MAX);
      const std::size_t rest = std::min<std::size_t>(compressed_.size() - consumed_, UINT_MAX);
      // zlib does not write to its input; its C interface predates const.
      stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(compressed_.data() + consumed_));
      stream_.avail_in = static_cast<uInt>(rest);
      stream_.next_out = reinterpret_cast<Bytef*>(output_.data() + produced_);
      stream_.avail_out = static_cast<uInt>(room);
      const int code = inflate(&stream_, Z_NO_FLUSH);
      consumed_ += rest - stream_.avail_in;
      produced_ += room - stream_.avail_out;
      if (produced_ > bytes_max_) throw_too_large(name_, produced_, bytes_max_);
      if (code == Z_STREAM_END) return;
      if (code == Z_MEM_ERROR) throw std::bad_alloc();
      const bool starved = code == Z_BUF_ERROR || (code == Z_OK && stream_.avail_out > 0);
      if (starved && consumed_ == compressed_.size()) throw_cut_off();
      if (code != Z_OK && code != Z_BUF_ERROR)
        throw_corrupt(stream_.msg != nullptr ? stream_.msg : "invalid data");
    }
  }

  // One byte more than the bound, so that a file of exactly the bound still reaches its trailer and
  // a larger one is noticed.
  void make_room() {
    if (produced_ < output_.size()) return;
    constexpr std::size_t first_bytes = 64 * 1024;
    const std::size_t wanted = std::max(first_bytes, output_.size() * 2);
    output_.resize(std::min(wanted, bytes_max_ + 1));
  }

  [[noreturn]] void throw_cut_off() const {
    throw error(
        {.what = name_ + " is cut off",
         .where = "byte " + count_text(consumed_),
         .why = "its gzip data ends early, after " + count_text(produced_) + " decompressed bytes",
         .help = "download or copy it again"});
  }

  [[noreturn]] void throw_corrupt(const std::string& reason) const {
    throw error({.what = name_ + " is not valid gzip",
                 .where = "byte " + count_text(consumed_),
                 .why = reason,
                 .help = "download or copy it again"});
  }

  std::string_view compressed_;
  const std::string& name_;
  std::size_t bytes_max_;
  z_stream stream_{};
  std::string output_;
  std::size_t consumed_ = 0;
  std::size_t produced_ = 0;
};

} // namespace

std::string
decompress_maybe_gzip(std::string bytes, const std::string& name, std::size_t bytes_max) {
  if (has_gzip_magic(bytes)) return inflater(bytes, name, bytes_max).run();
  if (bytes.size() > bytes_max) throw_too_large(name, bytes_max, bytes_max);
  return bytes;
}

std::string read_maybe_gzip(const std::string& path, std::size_t bytes_max) {
  return decompress_maybe_gzip(read_file(path), path, bytes_max);
}

std::string gzip_of(std::string_view bytes) {
  constexpr int gzip_header = 16 + MAX_WBITS;
  constexpr int memory = 8; // zlib's default
  z_stream stream{};
  if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, gzip_header, memory, Z_DEFAULT_STRATEGY) !=
      Z_OK)
    throw std::bad_alloc();
  std::string out(deflateBound(&stream, static_cast<uLong>(bytes.size())), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH); // ends at once: there is room for all
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

} // namespace troupe
