#include "troupe/machine_profile.hpp"

#include "ops/files/atomic_file.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace troupe {

namespace {

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text)
    if (c == '"' || c == '\\')
      out += fmt::format("\\{}", c);
    else
      out += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
  return out + '"';
}

// {} prints the shortest text that is the same number again.
std::string line_of(const kernel_rate& k) {
  return fmt::format("  {{ layers = {}, images = {}, flops = {}, elements = {}, bind = {}, "
                     "forward = {}, inputs = {}, weights = {} }},\n",
                     quoted(k.layers),
                     k.images,
                     k.flops,
                     k.elements,
                     k.bind,
                     k.forward,
                     k.backward_inputs,
                     k.backward_weights);
}

} // namespace

std::string text(const machine_profile& m) {
  std::string out = "# A machine, for troupe simulate --machine.\n";
  const auto rate = [&](const char* name, double value, const char* unit, const char* meaning) {
    if (value <= 0) return;
    const bool exact = value / 1e9 * 1e9 == value; // then it is the same number again
    const auto said =
        exact ? fmt::format("\"{} {}\"", value / 1e9, unit) : fmt::format("{}", value);
    out += fmt::format("{:<24} # {}\n", fmt::format("{} = {}", name, said), meaning);
  };
  if (!m.name.empty()) out += fmt::format("name = {}\n", quoted(m.name));
  out += fmt::format("cores = {}\n\n# of one core\n", m.cores);
  rate("flops", m.flops_per_second, "GFLOP/s", "of layers that are like none of the kernels");
  rate("bandwidth", m.bytes_per_second, "GB/s", "to and from memory, and from core to core");
  rate("sums", m.sum_bytes_per_second, "GB/s", "of gradients that are added");
  rate("updates", m.update_bytes_per_second, "GB/s", "of the optimizer");
  rate("reading", m.read_bytes_per_second, "GB/s", "of images that become floats");
  out += fmt::format("overhead = \"{} ns\" # of each computation\n", m.overhead.count());
  out += fmt::format("message = \"{} ns\"  # from actor to actor\n", m.message.count());
  if (!m.busy.empty())
    out += fmt::format(
        "\n# how many times as long it takes while 1, 2, ... cores compute\nbusy = [{}]\n",
        fmt::join(m.busy, ", "));
  if (m.kernels.empty()) return out;
  out += "\n# Seconds of a microbatch of so many images; FLOPs and floats are of an image.\n"
         "kernels = [\n";
  for (const kernel_rate& k : m.kernels)
    out += line_of(k);
  return out + "]\n";
}

void save_machine_profile(const machine_profile& m, const std::string& path) {
  write_file_atomically(path, text(m));
}

machine_profile load_machine_profile(const std::string& path) {
  return parse_machine_profile(read_file(path), path);
}

} // namespace troupe
