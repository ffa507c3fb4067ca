// What crosses between a part of a program and the other parts. Kernels read what comes, and write
// what goes, right in the tensors that cross. Only where that cannot be (the part changes what it
// was given, or goes on with what it has sent; oneDNN pads the layout) a place in the arena serves,
// and a copy.
#pragma once

#include "ops/kernels/memory_space.hpp"
#include "ops/kernels/partition.hpp"

#include <map>
#include <vector>

namespace troupe::kernels {

class boundary_values {
public:
  boundary_values() = default;
  // `forward` and `backward`: the operations of the part, in their order, with what they complete.
  boundary_values(const partition& cuts,
                  int part,
                  const std::vector<slot>& slots,
                  const std::vector<operation>& forward,
                  const std::vector<operation>& backward,
                  std::shared_ptr<memory_space> memory);

  [[nodiscard]] const std::vector<crossing>& crossings() const { return crossings_; }

  [[nodiscard]] int slot_of(int crossing) const {
    return slots_[static_cast<std::size_t>(crossing)];
  }

  [[nodiscard]] bool needs_place(int slot) const { return !lent_.contains(slot); } // in the arena

  [[nodiscard]] bool arrives(int crossing) const { return at(crossing).to == part_; }

  void receive(int crossing, const tensor& value);
  void begin(pass p); // before its first operation
  void send(const operation& done, value_sink& out);

private:
  // A slot whose memory is the tensor that crosses.
  struct lent_slot {
    std::vector<dnnl::memory> views;
    mirror shown;
    mutable_tensor written; // by this part, until it is sent
    tensor value;           // kept while kernels may read it

    void point_to(float* data);
  };

  [[nodiscard]] const crossing& at(int c) const { return crossings_[static_cast<std::size_t>(c)]; }

  std::shared_ptr<memory_space> memory_;
  std::vector<crossing> crossings_;
  std::vector<int> slots_; // by crossing
  int part_ = 0;
  std::map<int, lent_slot> lent_;      // by slot
  std::map<int, dnnl::memory> copied_; // by slot of this part, in the arena
  std::map<int, tensor> received_;     // by crossing, before the pass that needs it
};

} // namespace troupe::kernels
