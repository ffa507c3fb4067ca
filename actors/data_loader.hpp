// A data loader turns keys into microbatches. The samples and their augmentation are a function of
// (seed, epoch, step, microbatch), so it has no state worth saving and may die at any time.
#pragma once

#include "actors/runtime/role.hpp"
#include "ops/data/sampler.hpp"

#include <cstdint>
#include <functional>
#include <list>
#include <memory>

namespace troupe {

// Reads a microbatch: a function of its key. Used by one computation at a time.
using microbatch_source =
    std::function<microbatch_data(std::uint64_t step, std::uint32_t microbatch, bool images)>;

struct data_loader_options {
  std::function<microbatch_source()> make_source;
};

class data_loader final : public role_of<data_loader> {
public:
  data_loader(context& world, const data_loader_options& options);

  [[nodiscard]] std::vector<wait> waits() const override;
  void on(const protocol::want_batch& m);
  void on(const protocol::batch_ready& m);

private:
  void act();

  context& world_;
  std::shared_ptr<const microbatch_source> source_;
  std::list<protocol::want_batch> wanted_;
  bool busy_ = false;
};

} // namespace troupe
