// CIFAR-10's binary version: records of one label byte and 3,072 pixels, [3, 32, 32]
// (https://www.cs.toronto.edu/~kriz/cifar.html).
#pragma once

#include "ops/data/dataset.hpp"

#include <string>
#include <string_view>

namespace troupe {

// Appends the records of one file to `data`. Throws error naming `name`; `data` is then
// unspecified.
void append_cifar10(dataset& data, std::string_view bytes, const std::string& name);

} // namespace troupe
