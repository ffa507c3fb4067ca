// What a run reports as JSON: one object a line, the last one "end" (or "failed").
#pragma once

#include "cli/run_folder.hpp"
#include "troupe/cluster.hpp"

#include <cstdint>
#include <fstream>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace troupe::cli {

struct start_facts {
  std::string model, data, wiring, optimizer, learning_rate, version;
  std::int64_t batch = 0, steps = 0, train_images = 0;
  std::uint32_t microbatches = 1;
  std::string islands = "none"; // and their outer steps
  int replicas = 1;
  std::uint64_t seed = 0;
};

std::string json_line(const start_facts& f);
std::string json_line(const run_event& e);
// "staleness" is null, or {"mean", "most", "updates" by staleness, "lead"} of an asynchronous run;
// "credit" has an object for each edge and bound: what was used of it, and whether it was kept;
// "memory" is null, or what each layer shard used and what was predicted, where that was asked for.
std::string end_json(const run_result& r, const std::vector<memory_comparison>& memory = {});
std::string failed_json(const std::string& why);
std::string log_json(double seconds, const std::string& message);

// Writes the lines to --metrics and to the run folder, from begin() on; what is said before waits
// for it. So a run that cannot start touches no file. Thread-safe; each line is flushed.
class metrics {
public:
  metrics(std::string path, const run_folder& folder, bool append, std::int64_t digest_every);

  // Throws mistakes where a file cannot be opened. A resumed run goes on at the end of its files.
  void begin();

  void write(const run_event& e);
  void write_line(const std::string& line, bool event); // event: of events.jsonl too
  void log(double seconds, const std::string& message); // log.jsonl

private:
  enum class kind : std::uint8_t { metrics, events, log };

  void put(kind to, const std::string& line);

  const std::string path_;
  const run_folder& folder_;
  const bool append_;
  const std::int64_t digest_every_;
  std::mutex mutex_;
  bool begun_ = false;
  std::vector<std::pair<kind, std::string>> waiting_; // until begin()
  std::multimap<kind, std::ofstream> files_;
};

} // namespace troupe::cli
