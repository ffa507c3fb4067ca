// What a machine can do, as far as a simulated cluster needs to know: a value that calibrate()
// measures and a file keeps (TOML). A profile of another machine can be written by hand with as
// little as FLOP/s and bandwidth: what it does not say is derived from what it says.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace troupe {

// What was measured of layers that run as one kernel, at one size. Seconds are of one core.
struct kernel_rate {
  std::string layers;      // "conv2d 5x5+relu+max_pool2d"
  std::int64_t images = 1; // of the microbatch
  double flops = 0;        // forward, per image
  double elements = 0;     // floats that an image brings and makes
  double bind = 0;         // a step: parameters are brought into the form that the kernel wants
  double forward = 0, backward_inputs = 0, backward_weights = 0; // of the microbatch

  friend bool operator==(const kernel_rate&, const kernel_rate&) = default;
};

struct machine_profile {
  std::string name;
  int cores = 2;

  // Of one core while the others are idle.
  double flops_per_second = 100e9; // of layers that no kernel below resembles
  double bytes_per_second = 10e9;  // to and from memory, and from core to core
  double sum_bytes_per_second =
      0; // gradients that are added; 0, as in the next two: bytes_per_second
  double update_bytes_per_second = 0;       // of the optimizer
  double read_bytes_per_second = 0;         // of images that become floats
  std::chrono::nanoseconds overhead{5'000}; // of each computation
  std::chrono::nanoseconds message{2'000};  // on the way from actor to actor

  // How many times as long computations take while 1, 2, ... cores compute, for memory, caches and
  // clock are shared; with more cores than it says, as the last one. Empty: 1.
  std::vector<double> busy;

  std::vector<kernel_rate> kernels;

  friend bool operator==(const machine_profile&, const machine_profile&) = default;
};

// As a file has it: parse_machine_profile() makes the same profile of it.
std::string text(const machine_profile& m);
void save_machine_profile(const machine_profile& m, const std::string& path); // throws error

// Throws error: all mistakes, each with its line in `name` and what to write.
machine_profile parse_machine_profile(const std::string& content, const std::string& name);
machine_profile load_machine_profile(const std::string& path); // throws error

} // namespace troupe
