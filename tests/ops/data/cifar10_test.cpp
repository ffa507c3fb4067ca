#include "ops/data/cifar10.hpp"

#include "ops/data/dataset.hpp"
#include "support/data_files.hpp"
#include "support/error_of.hpp"
#include "support/scratch_folder.hpp"

#include <doctest/doctest.h>

#include <array>

using namespace troupe;
using namespace troupe::test;

TEST_CASE("CIFAR-10 files are concatenated in order") {
  const scratch_folder folder;
  const std::array files = {folder.write("a", cifar10_record(3, 'p') + cifar10_record(9, 'q')),
                            folder.write("b", cifar10_record(0, 'r'))};
  const dataset data = read_cifar10(files);
  CHECK(data.image == shape{3, 32, 32});
  CHECK(data.classes == 10);
  CHECK(data.labels == std::vector<std::uint8_t>{3, 9, 0});
  CHECK(data.pixels.size() == 3 * 3072);
  CHECK(data.pixels[3071] == 'p');
  CHECK(data.pixels[3072] == 'q');
  CHECK(data.pixels.back() == 'r');
}

TEST_CASE("a damaged CIFAR-10 file is named with file and reason") {
  const auto append = [](const std::string& bytes) {
    dataset data;
    append_cifar10(data, bytes, "f.bin");
  };
  CHECK_ERROR(append(""), "f.bin is empty");
  CHECK_ERROR(append(cifar10_record(1, 'x') + "yz"), "3,075 bytes = 1 x 3,073 + 2");
  CHECK_ERROR(append(cifar10_record(1, 'x') + cifar10_record(10, 'x')), "record 1");
  CHECK_ERROR(append(cifar10_record(1, 'x') + cifar10_record(10, 'x')),
              "it is 10; CIFAR-10 has 0 to 9");
  CHECK_ERROR(read_cifar10({}), "no CIFAR-10 file is given");
}

TEST_CASE("a folder of CIFAR-10 files is a data set") {
  const scratch_folder folder;
  for (char i = 1; i <= 4; ++i)
    folder.write("data_batch_" + std::to_string(i) + ".bin", cifar10_record(i, i));
  CHECK_ERROR(load_data(folder.path(), 1), "data_batch_5.bin is missing");
  folder.write("data_batch_5.bin", cifar10_record(5, 5));
  CHECK_ERROR(load_data(folder.path(), 1), "test_batch.bin is missing");
  folder.write("test_batch.bin", cifar10_record(7, 7));
  const data_split data = load_data(folder.path(), 1);
  CHECK(data.train->labels == std::vector<std::uint8_t>{1, 2, 3, 4, 5});
  CHECK(data.test->labels == std::vector<std::uint8_t>{7});
  CHECK(data.validation == nullptr);
}
