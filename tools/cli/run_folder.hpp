// The folder that keeps what a run was and did:
//   job.toml       its settings; --config takes it
//   log.jsonl      what the program said
//   metrics.jsonl  the same lines as --metrics
//   events.jsonl   faults, saved checkpoints, start and end
//   checkpoints/   step-N/ each with checkpoint.json and its shards
//   control        a socket, while the run goes on: troupe why, kill and stop ask there
//   launch         which one started it, so that a process that is started again finds it
#pragma once

#include <string>

namespace troupe::cli {

constexpr const char* control_name = "control";

// Throws mistakes (exit_environment) unless a file can be written there; creates nothing.
void check_writable(const std::string& path, const std::string& option);

// Throws mistakes unless there is something to read.
void check_readable(const std::string& path, const std::string& option);

// The job.toml that `--resume path` goes on with, or "".
std::string job_file_of_resume(const std::string& path);

// What run_options::resume gets for `--resume path`: a run folder stands for its checkpoints.
std::string checkpoints_of_resume(const std::string& path);

class run_folder {
public:
  run_folder() = default; // keeps nothing

  // `asked`: --run-folder; `resume`: --resume, whose run folder is continued; `name`: data and
  // model. A new folder is numbered, so that two runs never share one. Throws mistakes.
  static run_folder
  open(const std::string& asked, const std::string& resume, const std::string& name);

  // That of a process which died and is started again: `asked` where it is one, or the one that
  // this launch made; one that keeps nothing if there is none.
  static run_folder left_behind(const std::string& asked, const std::string& launch);

  bool kept() const { return !path_.empty(); }

  const std::string& path() const { return path_; }

  std::string file(const std::string& name) const; // "" when nothing is kept
  // job.toml, unless it is there; and who launched it, if anybody did.
  void write_job(const std::string& text, const std::string& launch) const;
  void discard() const; // of a run that never began: removes what open() made

private:
  std::string path_;
  bool made_ = false;
};

} // namespace troupe::cli
