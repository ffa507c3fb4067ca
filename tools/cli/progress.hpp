// The lines of the screen, as pure functions of what is known.
#pragma once

#include "troupe/cluster.hpp"

#include <cstdint>
#include <string>

namespace troupe::cli {

struct progress_state {
  std::int64_t epoch = 1, epochs = 1; // from 1
  std::int64_t step = 0, steps = 0;   // of the epoch
  std::int64_t steps_left = 0;        // of the job
  double loss = 0, accuracy = 0;      // means since the last line
  double images_per_second = 0;
  double seconds_per_step = 0;
};

// "epoch 1/5 [######------]  211/468  loss 0.391  acc 86.2 %  9,280 img/s  22 s left"
// The bar shrinks with the width (columns), then what stands at the end goes.
std::string live_line(const progress_state& s, int width, bool colour);

// The same without a bar, for logs.
std::string plain_line(const progress_state& s);

// "epoch 1/5  loss 0.512  acc 81.9 %  test loss 0.40  acc 85.1 %  9,310 img/s  digest 5f1c..."
std::string epoch_line(const epoch_event& e, std::int64_t epochs, bool tested, bool validated);
std::string fault_line(const fault_event& e);
std::string rollback_line(const rollback_event& e);
std::string node_line(const node_event& e);
std::string stalled_lines(const stalled_event& e); // who waits, and who is to blame
std::string saved_line(const saved_event& e);
std::string injection_line(const injection_event& e);
std::string table(const std::vector<fault_record>& faults); // empty: none

// The table at the end.
std::string result_table(const run_result& r);

std::string duration_text(double seconds);   // "7 s", "2 min 05 s", "1 h 02 min"
std::string bytes_text(std::uint64_t bytes); // "312 MB"
std::string count_of(double number);         // "9,280"

} // namespace troupe::cli
