#include "ops/files/atomic_file.hpp"
#include "support/data_files.hpp"
#include "support/error_of.hpp"
#include "support/scratch_folder.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace troupe::test;

TEST_CASE("gzip is noticed by its magic number, not by the name of the file") {
  const scratch_folder folder;
  const std::string text = ramp(300'000);
  CHECK(read_maybe_gzip(folder.write("a", gzip(text)), 1'000'000) == text);
  CHECK(read_maybe_gzip(folder.write("b.gz", text), 1'000'000) == text);
  CHECK(decompress_maybe_gzip("", "c", 10).empty());
  CHECK(decompress_maybe_gzip(gzip(""), "d", 10).empty());
  CHECK(decompress_maybe_gzip(gzip("one ") + gzip("two"), "e", 10) == "one two");
}

TEST_CASE("the bound on the decompressed size is exact") {
  CHECK(decompress_maybe_gzip(gzip("12345"), "a", 5) == "12345");
  CHECK_ERROR(decompress_maybe_gzip(gzip("123456"), "a", 5), "a is too large");
  CHECK(decompress_maybe_gzip("12345", "a", 5) == "12345");
  CHECK_ERROR(decompress_maybe_gzip("123456", "a", 5), "more than the 5 bytes allowed");
  CHECK_ERROR(decompress_maybe_gzip(gzip(std::string(50'000'000, 'x')), "bomb", 1'000'000),
              "bomb is too large");
}

TEST_CASE("every truncation of a gzip file is an error that names file and place") {
  const std::string whole = gzip(ramp(1000));
  for (std::size_t size = 2; size < whole.size(); ++size)
    CHECK_ERROR(decompress_maybe_gzip(whole.substr(0, size), "f.gz", 10'000), "f.gz is cut off");
  CHECK_ERROR(decompress_maybe_gzip(whole.substr(0, 50), "f.gz", 10'000), "byte 50");
}

TEST_CASE("corrupt gzip data is an error that names file and place") {
  std::string bytes = gzip(ramp(1000));
  bytes[bytes.size() - 6] ^= 1; // of the checksum
  CHECK_ERROR(decompress_maybe_gzip(bytes, "f.gz", 10'000), "f.gz is not valid gzip");
  CHECK_ERROR(decompress_maybe_gzip(bytes, "f.gz", 10'000), "incorrect data check");
  CHECK_ERROR(decompress_maybe_gzip(gzip("x") + "trailing", "f.gz", 100),
              "bytes after the gzip data");
}
