#include "ops/data/dataset.hpp"
#include "support/data_files.hpp"
#include "support/error_of.hpp"
#include "support/scratch_folder.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

using namespace troupe;
using namespace troupe::test;

namespace {

// Sets TROUPE_DATA_DIR for a scope; "" removes it.
class data_dir {
public:
  explicit data_dir(const std::string& folder) {
    if (const char* old = std::getenv("TROUPE_DATA_DIR")) before_ = old;
    set(folder);
  }

  data_dir(const data_dir&) = delete;
  data_dir& operator=(const data_dir&) = delete;

  ~data_dir() { set(before_); }

private:
  static void set(const std::string& folder) {
    if (folder.empty())
      ::unsetenv("TROUPE_DATA_DIR");
    else
      ::setenv("TROUPE_DATA_DIR", folder.c_str(), 1);
  }

  std::string before_;
};

void write_idx_folder(const scratch_folder& folder, const std::string& prefix = "") {
  folder.write(prefix + "train-images-idx3-ubyte.gz", gzip(idx_bytes({4, 2, 3}, ramp(24))));
  folder.write(prefix + "train-labels-idx1-ubyte", idx_bytes({4}, std::string("\0\1\2\3", 4)));
  folder.write(prefix + "t10k-images-idx3-ubyte", idx_bytes({2, 2, 3}, ramp(12)));
  folder.write(prefix + "t10k-labels-idx1-ubyte.gz", gzip(idx_bytes({2}, "\5\1")));
}

// Nearest class mean: what the simplest learner gets right.
double nearest_mean_accuracy(const dataset& train, const dataset& test) {
  const auto pixels = static_cast<std::size_t>(train.image.elements());
  const auto classes = static_cast<std::size_t>(train.classes);
  std::vector<double> means(classes * pixels);
  std::vector<double> counts(classes);
  for (std::size_t i = 0; i < train.labels.size(); ++i) {
    counts[train.labels[i]] += 1;
    for (std::size_t p = 0; p < pixels; ++p)
      means[train.labels[i] * pixels + p] += train.pixels[i * pixels + p];
  }
  std::size_t correct = 0;
  for (std::size_t i = 0; i < test.labels.size(); ++i) {
    std::vector<double> distances(classes);
    for (std::size_t c = 0; c < classes; ++c)
      for (std::size_t p = 0; p < pixels; ++p) {
        const double difference = test.pixels[i * pixels + p] - means[c * pixels + p] / counts[c];
        distances[c] += difference * difference;
      }
    const auto nearest = std::min_element(distances.begin(), distances.end()) - distances.begin();
    correct += nearest == test.labels[i] ? 1 : 0;
  }
  return static_cast<double>(correct) / static_cast<double>(test.labels.size());
}

} // namespace

TEST_CASE("Fashion-MNIST of Debian's package is read") {
  const data_dir none("");
  if (!std::filesystem::exists("/usr/share/datasets/fashion-mnist")) {
    MESSAGE("skipped: package dataset-fashion-mnist is not installed");
    return;
  }
  const data_split data = load_data("fashion-mnist", 1);
  CHECK(data.train->name == "fashion-mnist");
  CHECK(data.train->size() == 60'000);
  CHECK(data.test->size() == 10'000);
  CHECK(data.train->image == shape{1, 28, 28});
  CHECK(data.train->classes == 10);
  const auto& labels = data.train->labels;
  CHECK(std::vector<std::uint8_t>(labels.begin(), labels.begin() + 5) ==
        std::vector<std::uint8_t>{9, 0, 0, 3, 0});
  for (int label = 0; label < 10; ++label)
    CHECK(std::count(labels.begin(), labels.end(), label) == 6'000);
}

TEST_CASE("missing Fashion-MNIST says which package to install, and its place can be chosen") {
  const scratch_folder folder;
  const data_dir here(folder.path());
  CHECK_ERROR(load_data("fashion-mnist", 1), "apt install dataset-fashion-mnist");
  CHECK_ERROR(load_data("fashion-mnist", 1),
              folder.path() + "/fashion-mnist/train-images-idx3-ubyte[.gz] is missing");
  std::filesystem::create_directory(folder.file("fashion-mnist"));
  write_idx_folder(folder, "fashion-mnist/");
  CHECK(load_data("fashion-mnist", 1).train->size() == 4);
}

TEST_CASE("a folder of IDX files is a data set") {
  const scratch_folder folder;
  CHECK_ERROR(load_data(folder.path(), 1), "no data set in folder " + folder.path());
  write_idx_folder(folder);
  const data_split data = load_data(folder.path(), 1);
  CHECK(data.train->image == shape{1, 2, 3});
  CHECK(data.train->classes == 6); // of both sets: the largest label is in the test set
  CHECK(data.test->classes == 6);
  std::filesystem::remove(folder.file("t10k-labels-idx1-ubyte.gz"));
  CHECK_ERROR(load_data(folder.path(), 1), "t10k-labels-idx1-ubyte[.gz] is missing");
}

TEST_CASE("four IDX files can be named") {
  const scratch_folder folder;
  write_idx_folder(folder);
  const std::string spec = "idx:" + folder.file("train-images-idx3-ubyte.gz") + "," +
                           folder.file("train-labels-idx1-ubyte") + "," +
                           folder.file("t10k-images-idx3-ubyte") + "," +
                           folder.file("t10k-labels-idx1-ubyte.gz");
  CHECK(load_data(spec, 1).test->size() == 2);
  CHECK_ERROR(load_data("idx:a,b,c", 1), "idx:TRAIN_IMAGES,TRAIN_LABELS,TEST_IMAGES,TEST_LABELS");
  folder.write("t10k-images-idx3-ubyte", idx_bytes({2, 3, 2}, ramp(12)));
  CHECK_ERROR(load_data(spec, 1), "[1, 2, 3] and [1, 3, 2]");
}

TEST_CASE("unknown data is answered with the nearest name") {
  CHECK_ERROR(load_data("fashion-mnits", 1), "unknown data \"fashion-mnits\"");
  CHECK_ERROR(load_data("fashion-mnits", 1), "did you mean \"fashion-mnist\"?");
  CHECK_ERROR(load_data("/no/such/folder/at/all", 1), "check the spelling or the path");
  CHECK_ERROR(load_data("synthetic:0", 1), "1 to 10,000,000 are allowed");
  CHECK_ERROR(load_data("synthetic:12x", 1), "no valid number of images");
}

TEST_CASE("synthetic data is a function of its seed and easy to learn") {
  const data_split data = load_data("synthetic:600", 3);
  CHECK(data.train->size() == 600);
  CHECK(data.test->size() == 100);
  CHECK(load_data("synthetic:600", 3).train->pixels == data.train->pixels);
  CHECK(load_data("synthetic:600", 4).train->pixels != data.train->pixels);
  CHECK(nearest_mean_accuracy(*data.train, *data.test) > 0.95);
  CHECK(synthetic(20, shape{3, 5, 1}, 4, 1).pixels.size() == 300);
  CHECK_ERROR(synthetic(0, shape{1, 2, 2}, 2, 1), "no such synthetic data");
  CHECK_ERROR(synthetic(1, shape{2, 2}, 2, 1), "no such synthetic data");
}

TEST_CASE("a validation split moves samples and loses none") {
  const data_split whole = load_data("synthetic:100", 1);
  const data_split parts = split_validation(whole, 0.25, 5);
  CHECK(parts.train->size() == 75);
  CHECK(parts.validation->size() == 25);
  CHECK(parts.test == whole.test);
  const auto rows = [](const dataset& data, std::vector<std::string> all = {}) {
    for (std::int64_t i = 0; i < data.size(); ++i)
      all.emplace_back(data.pixels.begin() + i * 784, data.pixels.begin() + (i + 1) * 784);
    std::sort(all.begin(), all.end());
    return all;
  };
  CHECK(rows(*parts.train, rows(*parts.validation)) == rows(*whole.train));
  CHECK(split_validation(whole, 0.25, 5).validation->pixels == parts.validation->pixels);
  CHECK(split_validation(whole, 0.25, 6).validation->pixels != parts.validation->pixels);
  CHECK(split_validation(whole, 0.0, 5).validation == nullptr);
  CHECK_ERROR(split_validation(whole, 1.0, 5), "0 <= fraction < 1");
  CHECK_ERROR(split_validation(whole, 0.001, 5), "leaves no image");
}
