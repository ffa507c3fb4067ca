#include "cli/slurm_batch.hpp"

#include <fmt/format.h>

namespace troupe::cli {

namespace {

// Seconds before the time limit at which the job saves.
constexpr int warning_seconds = 120;

std::string header(const slurm_job& job) {
  std::string out = "#!/bin/bash\n";
  const auto line = [&](const std::string& words) { out += fmt::format("#SBATCH {}\n", words); };
  line("--job-name=" + job.name);
  line(fmt::format("--nodes={}", job.machines));
  line(fmt::format("--ntasks-per-node={}", job.per_machine));
  if (job.cores > 0) line(fmt::format("--cpus-per-task={}", job.cores));
  if (!job.time.empty()) line("--time=" + job.time);
  if (!job.partition.empty()) line("--partition=" + job.partition);
  line(fmt::format("--output={}/slurm-%j.out", job.logs));
  line("--open-mode=append");
  line(fmt::format("--signal=B:USR1@{}", warning_seconds));
  line(job.requeue ? "--requeue" : "--no-requeue");
  for (const std::string& words : job.sbatch)
    line(words);
  return out;
}

std::string step(const slurm_job& job) {
  std::string out = "srun --kill-on-bad-exit=1 --wait=0";
  if (job.cores > 0) out += fmt::format(" --cpus-per-task={}", job.cores); // sbatch's is not taken
  out += fmt::format(" \\\n  {} node --restarts {} --log-folder {}",
                     shell_word(job.troupe),
                     job.restarts,
                     shell_word(job.logs));
  if (!job.keys.empty()) out += " --keys " + shell_word(job.keys + "/");
  out += " -- \\\n ";
  for (const std::string& word : job.program)
    out += " " + shell_word(word);
  return out + " &\n";
}

} // namespace

std::string batch_text(const slurm_job& job) {
  std::string out = header(job);
  out += R"(
# Before the time limit node 0 saves and ends the job. Its supervisor (troupe node) hears SIGINT;
# those of the other nodes wait for it.
trap 'saving=1; scancel --signal=INT "$SLURM_JOB_ID.0"' USR1

# A node that dies is started again by its supervisor, on its machine, without asking Slurm. A
# supervisor ends with a failure only where the job has failed: then all of it ends.
)";
  out += step(job);
  out += R"(step=$!
wait "$step"
code=$?
while kill -0 "$step" 2>/dev/null; do # a signal ended the wait, not the step
  wait "$step"
  code=$?
done
)";
  if (job.requeue)
    out += R"(
# Saved: goes on when it is its turn again. The program finds what it saved (SLURM_RESTART_COUNT
# says that it was here before).
task=${SLURM_ARRAY_TASK_ID:+${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID}
[ -z "$saving" ] || exec scontrol requeue "${task:-$SLURM_JOB_ID}"
)";
  return out + "exit \"$code\"\n";
}

std::string shell_word(const std::string& text) {
  constexpr const char* plain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./=:,+@%";
  if (!text.empty() && text.find_first_not_of(plain) == std::string::npos) return text;
  std::string out = "'";
  for (const char c : text)
    out += c == '\'' ? "'\\''" : std::string(1, c);
  return out + "'";
}

} // namespace troupe::cli
