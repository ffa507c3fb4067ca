#include "ops/data/dataset.hpp"
#include "ops/error.hpp"
#include "ops/files/count_text.hpp"
#include "ops/random.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <filesystem>

namespace troupe {

namespace {

namespace fs = std::filesystem;

constexpr std::int64_t synthetic_images = 12'000;

data_split split_of(dataset train, dataset test, const std::string& name) {
  if (train.image != test.image)
    throw error({.what = "training and test images differ in shape",
                 .where = name,
                 .why = train.image.text() + " and " + test.image.text(),
                 .help = "give two files of the same data set"});
  train.classes = test.classes = std::max(train.classes, test.classes);
  train.name = test.name = name;
  return {std::make_shared<const dataset>(std::move(train)),
          std::make_shared<const dataset>(std::move(test)),
          nullptr};
}

// `stem` or `stem`.gz in the folder; "" where there is neither.
std::string plain_or_gzip(const fs::path& folder, const std::string& stem) {
  for (const char* ending : {"", ".gz"}) {
    const fs::path file = folder / (stem + ending);
    if (fs::is_regular_file(file)) return file.string();
  }
  return "";
}

[[noreturn]] void
throw_missing(const fs::path& folder, const std::string& missing, const std::string& help) {
  throw error({.what = "data file " + (folder / missing).string() + " is missing",
               .help = help,
               .kind = error_kind::environment});
}

std::string help_of_folder() {
  return "a data folder holds {train,t10k}-{images-idx3,labels-idx1}-ubyte[.gz] "
         "or data_batch_{1..5}.bin and test_batch.bin";
}

data_split
idx_folder(const fs::path& folder, const std::string& name, int classes, const std::string& help) {
  const std::array<std::string, 4> stems = {"train-images-idx3-ubyte",
                                            "train-labels-idx1-ubyte",
                                            "t10k-images-idx3-ubyte",
                                            "t10k-labels-idx1-ubyte"};
  std::array<std::string, 4> files;
  for (std::size_t i = 0; i < stems.size(); ++i) {
    files[i] = plain_or_gzip(folder, stems[i]);
    if (files[i].empty()) throw_missing(folder, stems[i] + "[.gz]", help);
  }
  return split_of(
      read_idx(files[0], files[1], classes), read_idx(files[2], files[3], classes), name);
}

data_split cifar10_folder(const fs::path& folder) {
  std::vector<std::string> train;
  for (int i = 1; i <= 5; ++i) {
    const std::string stem = "data_batch_" + std::to_string(i) + ".bin";
    train.push_back(plain_or_gzip(folder, stem));
    if (train.back().empty()) throw_missing(folder, stem, help_of_folder());
  }
  const std::vector<std::string> test = {plain_or_gzip(folder, "test_batch.bin")};
  if (test[0].empty()) throw_missing(folder, "test_batch.bin", help_of_folder());
  return split_of(read_cifar10(train), read_cifar10(test), folder.string());
}

data_split folder_data(const fs::path& folder) {
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string file = entry.path().filename().string();
    if (file.starts_with("train-") || file.starts_with("t10k-"))
      return idx_folder(folder, folder.string(), 0, help_of_folder());
    if (file.starts_with("data_batch_") || file.starts_with("test_batch"))
      return cifar10_folder(folder);
  }
  throw error({.what = "no data set in folder " + folder.string(),
               .why = "it has neither IDX nor CIFAR-10 files",
               .help = help_of_folder(),
               .kind = error_kind::request});
}

data_split idx_files(const std::string& spec) {
  std::vector<std::string> files(1);
  for (const char letter : spec.substr(std::string("idx:").size())) {
    if (letter == ',')
      files.emplace_back();
    else
      files.back() += letter;
  }
  if (files.size() != 4 || std::count(files.begin(), files.end(), "") > 0)
    throw error({.what = "data \"" + spec + "\" does not name four files",
                 .help = "idx:TRAIN_IMAGES,TRAIN_LABELS,TEST_IMAGES,TEST_LABELS",
                 .kind = error_kind::request});
  return split_of(read_idx(files[0], files[1]), read_idx(files[2], files[3]), spec);
}

// Rows of `all` in the given order.
dataset rows_of(const dataset& all, std::span<const std::uint32_t> rows) {
  dataset part;
  part.name = all.name;
  part.image = all.image;
  part.classes = all.classes;
  const std::int64_t bytes = all.image.elements();
  part.pixels.reserve(rows.size() * static_cast<std::size_t>(bytes));
  part.labels.reserve(rows.size());
  for (const std::uint32_t row : rows) {
    const auto first = all.pixels.begin() + static_cast<std::int64_t>(row) * bytes;
    part.pixels.insert(part.pixels.end(), first, first + bytes);
    part.labels.push_back(all.labels[row]);
  }
  return part;
}

data_split synthetic_data(const std::string& spec, std::uint64_t seed) {
  std::int64_t n = synthetic_images;
  if (spec != "synthetic") {
    const char* first = spec.data() + std::string("synthetic:").size();
    const char* last = spec.data() + spec.size();
    const auto [end, code] = std::from_chars(first, last, n);
    if (code != std::errc() || end != last || n < 1 || n > 10'000'000)
      throw error({.what = "data \"" + spec + "\" has no valid number of images",
                   .why = "1 to 10,000,000 are allowed",
                   .help = "synthetic:12000",
                   .kind = error_kind::request});
  }
  // One draw for both sets: the patterns of the classes must be the same.
  const dataset all = synthetic(n + std::max<std::int64_t>(n / 6, 1), shape{1, 28, 28}, 10, seed);
  std::vector<std::uint32_t> rows(static_cast<std::size_t>(all.size()));
  for (std::size_t i = 0; i < rows.size(); ++i)
    rows[i] = static_cast<std::uint32_t>(i);
  const std::span<const std::uint32_t> every(rows);
  const auto cut = static_cast<std::size_t>(n);
  return split_of(rows_of(all, every.first(cut)), rows_of(all, every.subspan(cut)), "synthetic");
}

} // namespace

data_split fashion_mnist() {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): read before any thread is started, and never written.
  const char* chosen = std::getenv("TROUPE_DATA_DIR");
  const fs::path folder =
      fs::path(chosen != nullptr ? chosen : "/usr/share/datasets") / "fashion-mnist";
  return idx_folder(folder,
                    "fashion-mnist",
                    10,
                    "apt install dataset-fashion-mnist, or set TROUPE_DATA_DIR to the folder that "
                    "contains fashion-mnist/");
}

data_split load_data(const std::string& spec, std::uint64_t seed) {
  if (spec == "fashion-mnist") return fashion_mnist();
  if (spec == "synthetic" || spec.starts_with("synthetic:")) return synthetic_data(spec, seed);
  if (spec.starts_with("idx:")) return idx_files(spec);
  std::error_code ignored;
  if (fs::is_directory(spec, ignored)) return folder_data(spec);
  const std::array<std::string, 2> known = {"fashion-mnist", "synthetic"};
  const std::string near = did_you_mean(spec, known.data(), known.data() + known.size());
  throw error(
      {.what = "unknown data \"" + spec + "\"",
       .why = "fashion-mnist, synthetic[:N], a folder or idx:FOUR,FILES are known",
       .help = near.empty() ? "check the spelling or the path" : "did you mean \"" + near + "\"?",
       .kind = error_kind::request});
}

data_split split_validation(data_split data, double fraction, std::uint64_t seed) {
  const std::int64_t n = data.train->size();
  // Negated so that a NaN is refused too.
  if (!(fraction >= 0.0 && fraction < 1.0))
    throw error({.what = "validation fraction " + std::to_string(fraction) + " is out of range",
                 .why = "0 <= fraction < 1",
                 .help = "use 0.1",
                 .kind = error_kind::request});
  const auto held = static_cast<std::int64_t>(static_cast<double>(n) * fraction);
  if (held == 0) {
    if (fraction == 0.0) return data;
    throw error({.what = "validation fraction " + std::to_string(fraction) + " leaves no image",
                 .why = count_text(n) + " training images x " + std::to_string(fraction) + " < 1",
                 .help = "use a larger fraction",
                 .kind = error_kind::request});
  }
  std::vector<std::uint32_t> rows(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < rows.size(); ++i)
    rows[i] = static_cast<std::uint32_t>(i);
  random_stream draw({seed, random_purpose::validation_split, 0, 0});
  for (std::size_t i = rows.size(); i > 1; --i)
    std::swap(rows[i - 1], rows[draw.below(static_cast<std::uint32_t>(i))]);
  // The file's order is kept on both sides.
  const auto cut = rows.begin() + held;
  std::sort(rows.begin(), cut);
  std::sort(cut, rows.end());
  data.validation = std::make_shared<const dataset>(rows_of(*data.train, {rows.begin(), cut}));
  data.train = std::make_shared<const dataset>(rows_of(*data.train, {cut, rows.end()}));
  return data;
}

} // namespace troupe
