#include "ops/kernels/boundary_values.hpp"

#include "ops/assert.hpp"

#include <algorithm>
#include <set>

namespace troupe::kernels {

namespace {

// What a part does with a slot.
struct traffic {
  std::set<int> in;                                     // crossings
  std::set<std::pair<pass, std::size_t>> writes, sends; // by operations
};

bool is_padded(const dnnl::memory& m) {
  const auto desc = m.get_desc();
  std::size_t elements = 1;
  for (const auto size : desc.dims())
    elements *= static_cast<std::size_t>(size);
  return desc.get_size() != elements * sizeof(float);
}

// Only read, or written once for others and only read from then on.
bool can_be_lent(const traffic& t, const slot& s) {
  if (std::any_of(s.memories.begin(), s.memories.end(), is_padded)) return false;
  if (t.sends.empty()) return t.in.size() == 1 && t.writes.empty();
  return t.in.empty() && t.sends.size() == 1 &&
         std::all_of(t.writes.begin(), t.writes.end(), [&](const auto& write) {
           return write.first == t.sends.begin()->first && write.second <= t.sends.begin()->second;
         });
}

} // namespace

boundary_values::boundary_values(const partition& cuts,
                                 int part,
                                 const std::vector<slot>& slots,
                                 const std::vector<operation>& forward,
                                 const std::vector<operation>& backward,
                                 std::shared_ptr<memory_space> memory)
    : memory_(std::move(memory)), crossings_(cuts.crossings), slots_(cuts.slots), part_(part) {
  std::map<int, traffic> of_slot;
  for (std::size_t c = 0; c < crossings_.size(); ++c) {
    if (crossings_[c].to == part) of_slot[slots_[c]].in.insert(static_cast<int>(c));
    if (crossings_[c].from == part) of_slot[slots_[c]];
  }
  for (const auto when : {pass::forward, pass::backward}) {
    const auto& operations = when == pass::forward ? forward : backward;
    for (std::size_t i = 0; i < operations.size(); ++i) {
      for (const use& used : operations[i].uses)
        if (const auto t = of_slot.find(used.value.slot); used.written && t != of_slot.end())
          t->second.writes.emplace(when, i);
      for (const int c : operations[i].completes_values)
        of_slot.at(slot_of(c)).sends.emplace(when, i);
    }
  }
  for (const auto& [index, t] : of_slot) {
    const slot& s = slots[static_cast<std::size_t>(index)];
    if (can_be_lent(t, s))
      lent_[index] = {.views = s.memories,
                      .shown = mirror(memory_, static_cast<std::int64_t>(s.bytes / sizeof(float)))};
    else
      copied_[index] = s.memories.front();
  }
}

// oneDNN has no read-only memory; what has arrived or has been sent is never a target.
void boundary_values::lent_slot::point_to(float* data) {
  for (dnnl::memory& m : views)
    m.set_data_handle(data);
}

void boundary_values::receive(int crossing, const tensor& value) {
  TROUPE_ASSERT(arrives(crossing) && value.elements() == at(crossing).elements,
                "a value of this part's crossing");
  received_[crossing] = value;
}

void boundary_values::begin(pass p) {
  for (std::size_t i = 0; i < crossings_.size(); ++i) {
    const auto c = static_cast<int>(i);
    const auto lent = lent_.find(slot_of(c));
    if (crossings_[i].from == part_ && crossings_[i].written == p && lent != lent_.end()) {
      lent->second.written = buffer_pool::global().take({crossings_[i].elements});
      lent->second.point_to(lent->second.shown.take(lent->second.written));
    }
    if (crossings_[i].to != part_ || crossings_[i].needed != p) continue;
    const auto found = received_.find(c);
    TROUPE_ASSERT(found != received_.end(), "a pass begins when its values are here");
    if (lent != lent_.end()) {
      lent->second.value = std::move(found->second);
      lent->second.point_to(lent->second.shown.show(lent->second.value));
    } else {
      memory_->upload(
          floats(copied_.at(slot_of(c))), found->second.data(), found->second.elements());
    }
    received_.erase(found);
  }
}

void boundary_values::send(const operation& done, value_sink& out) {
  for (const int c : done.completes_values) {
    if (const auto lent = lent_.find(slot_of(c)); lent != lent_.end()) {
      auto& value = lent->second;
      if (value.written) {
        value.shown.finish(value.written);
        value.value = std::move(value.written).freeze();
      }
      out.on_value(c, value.value);
    } else {
      auto copy = buffer_pool::global().take({at(c).elements});
      memory_->download(copy.data(), floats(copied_.at(slot_of(c))), copy.elements());
      out.on_value(c, std::move(copy).freeze());
    }
  }
}

} // namespace troupe::kernels
