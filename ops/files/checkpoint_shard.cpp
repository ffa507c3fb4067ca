#include "ops/files/checkpoint_shard.hpp"

#include "ops/digest.hpp"
#include "ops/whole_parameter.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <numeric>
#include <utility>

namespace troupe {

namespace {

constexpr std::size_t alignment = 64; // of the data

// A tensor of the file, whose values are made when they are written.
struct entry {
  std::string name;
  std::vector<std::int64_t> dims;
  std::function<void(const std::function<void(std::span<const float>)>&)> values;

  [[nodiscard]] std::uint64_t bytes() const {
    return sizeof(float) * static_cast<std::uint64_t>(std::accumulate(
                               dims.begin(), dims.end(), std::int64_t{1}, std::multiplies<>()));
  }
};

class shard_plan {
public:
  shard_plan(const parameter_layout& layout, const shard_content& content, order_digests& known)
      : layout_(layout), orders_(known) {
    metadata_["format"] = shard_format;
    metadata_["step"] = std::to_string(content.step);
    const auto wholes = whole_parameters(layout.specs);
    for (const shard_state& s : content.states)
      for (const whole_parameter& w : wholes)
        if (w.spec.kind == parameter_kind::trainable || s.prefix.statistics) add(s, w);
  }

  void write(const piece_sink& sink) const {
    const auto cut = [&](std::string_view bytes) {
      for (; !bytes.empty(); bytes.remove_prefix(std::min(bytes.size(), shard_piece_bytes)))
        sink(bytes.substr(0, shard_piece_bytes));
    };
    cut(header());
    for (const entry& e : entries_)
      e.values([&](std::span<const float> v) {
        cut({reinterpret_cast<const char*>(v.data()), v.size_bytes()});
      });
  }

private:
  void add(const shard_state& s, const whole_parameter& w) {
    const auto is_here = [&](int p) {
      const auto ranges = layout_.ranges_of_parameter(p);
      return std::all_of(ranges.begin(), ranges.end(), [&](const stored_range& r) {
        return static_cast<bool>(s.blocks[static_cast<std::size_t>(r.block)]);
      });
    };
    if (std::all_of(w.parts.begin(), w.parts.end(), is_here))
      return add_plain(s, w, s.prefix.text + w.spec.name);
    for (const int p : w.parts) {
      const auto& spec = layout_.specs[static_cast<std::size_t>(p)];
      if (is_here(p))
        add_plain(s, {.spec = spec, .parts = {p}}, s.prefix.text + spec.name);
      else
        add_pieces(s, p);
    }
  }

  void add_plain(const shard_state& s, const whole_parameter& w, const std::string& name) {
    entries_.push_back(
        {name, {w.spec.dims.begin(), w.spec.dims.end()}, [this, &s, w](const auto& take) {
           take(whole_values(layout_, w, s.blocks));
         }});
  }

  void add_pieces(const shard_state& s, int p) {
    const auto& name = layout_.specs[static_cast<std::size_t>(p)].name;
    for (const stored_range& r : layout_.ranges_of_parameter(p)) {
      const tensor& block = s.blocks[static_cast<std::size_t>(r.block)];
      if (!block) continue;
      if (const auto key = "order " + name; !metadata_.contains(key))
        metadata_[key] = digest_text(order_of(p));
      entries_.push_back({s.prefix.text + name + "@" + std::to_string(r.first),
                          {r.size},
                          [&block, r](const auto& take) {
                            take(block.values().subspan(static_cast<std::size_t>(r.offset),
                                                        static_cast<std::size_t>(r.size)));
                          }});
    }
  }

  std::uint64_t order_of(int p) {
    const auto found = orders_.find(p);
    if (found != orders_.end()) return found->second;
    return orders_[p] = order_digest(layout_, p);
  }

  [[nodiscard]] std::string header() const {
    nlohmann::ordered_json out;
    out["__metadata__"] = metadata_;
    std::uint64_t end = 0;
    for (const entry& e : entries_) {
      const std::uint64_t begin = end;
      end += e.bytes();
      out.get_ref<nlohmann::ordered_json::object_t&>().emplace_back(
          e.name,
          nlohmann::ordered_json{
              {"dtype", "F32"}, {"shape", e.dims}, {"data_offsets", {begin, end}}});
    }
    std::string text = out.dump();
    text.resize((sizeof(std::uint64_t) + text.size() + alignment - 1) / alignment * alignment -
                    sizeof(std::uint64_t),
                ' ');
    const std::uint64_t length = text.size();
    return std::string(reinterpret_cast<const char*>(&length), sizeof length) + text;
  }

  const parameter_layout& layout_;
  order_digests& orders_;
  nlohmann::ordered_json metadata_;
  std::vector<entry> entries_;
};

} // namespace

void write_shard(const parameter_layout& layout,
                 const shard_content& c,
                 order_digests& known,
                 const piece_sink& sink) {
  shard_plan(layout, c, known).write(sink);
}

std::uint64_t order_digest(const parameter_layout& layout, int parameter) {
  const auto i = static_cast<std::size_t>(parameter);
  const auto& place = layout.places[i];
  std::uint64_t out = digest_of(&place.size, sizeof place.size);
  if (!place.order) return out;
  std::vector<float> plain(static_cast<std::size_t>(layout.specs[i].dims.elements()));
  std::vector<float> packed(static_cast<std::size_t>(place.size));
  // Floats count to 2^24: two digits of that base name any place.
  constexpr std::size_t base = std::size_t{1} << 24U;
  for (const bool high : {false, true}) {
    for (std::size_t k = 0; k < plain.size(); ++k)
      plain[k] = static_cast<float>(high ? k / base + 1 : k % base + 1);
    place.order->pack(plain, packed);
    out = digest_combine(out, digest_of(packed.data(), packed.size() * sizeof(float)));
    if (plain.size() < base) break;
  }
  return out;
}

} // namespace troupe
