// How well each class is recognised.
#pragma once

#include "ops/data/sampler.hpp"
#include "ops/model.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace troupe::cli {

struct class_score {
  std::int64_t images = 0, correct = 0;
  std::int64_t mistaken_as = -1; // the class that its images are most often taken for; -1: none
};

std::vector<class_score> score_classes(const model& m,
                                       const std::string& weights,
                                       const dataset& data,
                                       const pixel_transform& pixels);

std::string class_table(const std::vector<class_score>& scores);

} // namespace troupe::cli
