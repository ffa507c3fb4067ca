#include "ops/data/cifar10.hpp"

#include "ops/error.hpp"
#include "ops/files/atomic_file.hpp"
#include "ops/files/count_text.hpp"

namespace troupe {

namespace {

constexpr std::size_t file_bytes_max = std::size_t{4} << 30;
constexpr int classes = 10;
constexpr std::size_t pixel_bytes = 3 * 32 * 32;
constexpr std::size_t record_bytes = 1 + pixel_bytes;

} // namespace

void append_cifar10(dataset& data, std::string_view bytes, const std::string& name) {
  if (bytes.empty())
    throw error({.what = name + " is empty",
                 .where = "",
                 .why = "a CIFAR-10 file has at least one record of 3,073 bytes",
                 .help = "download or copy it again"});
  const std::size_t records = bytes.size() / record_bytes;
  if (bytes.size() % record_bytes != 0)
    throw error({.what = name + " is not a whole number of CIFAR-10 records",
                 .where = "",
                 .why = count_text(bytes.size()) + " bytes = " + count_text(records) +
                        " x 3,073 + " + count_text(bytes.size() % record_bytes),
                 .help = "use the binary version of CIFAR-10, unpacked"});

  data.labels.reserve(data.labels.size() + records);
  data.pixels.reserve(data.pixels.size() + records * pixel_bytes);
  for (std::size_t i = 0; i < records; ++i) {
    const std::string_view record = bytes.substr(i * record_bytes, record_bytes);
    const auto label = static_cast<std::uint8_t>(record[0]);
    if (label >= classes)
      throw error({.what = name + " has a label out of range",
                   .where = "record " + count_text(i),
                   .why = "it is " + std::to_string(label) + "; CIFAR-10 has 0 to 9",
                   .help = "use the binary version of CIFAR-10 (CIFAR-100 has two label bytes)"});
    data.labels.push_back(label);
    data.pixels.insert(data.pixels.end(), record.begin() + 1, record.end());
  }
}

dataset read_cifar10(std::span<const std::string> files) {
  if (files.empty())
    throw error({.what = "no CIFAR-10 file is given", .where = "", .why = "", .help = ""});
  dataset data;
  data.name = files[0];
  data.image = shape{3, 32, 32};
  data.classes = classes;
  for (const std::string& file : files)
    append_cifar10(data, read_maybe_gzip(file, file_bytes_max), file);
  return data;
}

} // namespace troupe
