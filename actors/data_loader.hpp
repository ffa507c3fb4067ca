// A data loader turns keys into microbatches. The samples and their augmentation are a function of
// (seed, epoch, step, microbatch), so it has no state worth saving and may die at any time.
#pragma once

#include "actors/runtime/role.hpp"
#include "ops/data/sampler.hpp"

#include <deque>
#include <functional>
#include <memory>

namespace troupe {

struct data_loader_options {
  std::function<microbatch_reader()> make_reader;
};

class data_loader final : public role_of<data_loader> {
public:
  data_loader(context& world, const data_loader_options& options);

  void on(const protocol::want_batch& m);
  void on(const protocol::batch_ready& m);

private:
  void act();

  context& world_;
  std::shared_ptr<microbatch_reader> reader_; // used by one computation at a time
  std::deque<protocol::want_batch> wanted_;
  bool busy_ = false;
};

} // namespace troupe
