// An evaluator computes loss and accuracy of its share of the test and validation images with the
// parameters of one version. It reports the loss batch by batch; the director adds them in the
// order of the batches, so the total does not depend on how many evaluators share the work.
#pragma once

#include "actors/address.hpp"
#include "actors/pool.hpp"
#include "actors/runtime/role.hpp"
#include "ops/data/sampler.hpp"
#include "ops/loss.hpp"
#include "ops/program.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace troupe {

struct evaluator_options {
  std::uint32_t part = 0; // batches part, part + parts, ... are its share
  std::uint32_t parts = 1;
  int blocks = 0;
  std::vector<address> holders;
  address director{.role = role_kind::director};
  std::shared_ptr<pool<program>> programs; // evaluation mode
  std::shared_ptr<const loss> criterion;
  dataset_ptr test, validation; // either may be null
  pixel_transform pixels;
};

class evaluator final : public role_of<evaluator> {
public:
  evaluator(context& world, evaluator_options options);

  [[nodiscard]] std::vector<wait> waits() const override;
  void on(const protocol::evaluate& m);
  void on(const protocol::parameters& m);
  void on(const protocol::restarted& m);
  void on(const protocol::evaluation_done& m);

private:
  context& world_;
  const std::shared_ptr<const evaluator_options> options_;
  std::optional<protocol::evaluate> wanted_;
  std::uint64_t newest_ = 0; // round that was wanted
  std::vector<protocol::parameters> incoming_;
  std::uint64_t computed_ = 0; // round of which all parameters were here
};

constexpr std::int64_t evaluation_batch = 100; // images that a program takes at once

// Sums over the batches part, part + parts, ... of a data set. The program's batch size cuts the
// batches.
protocol::evaluation_sums evaluate_part(program& compiled,
                                        const loss& criterion,
                                        const dataset& data,
                                        const pixel_transform& pixels,
                                        std::uint32_t part,
                                        std::uint32_t parts);

} // namespace troupe
