// troupe launch slurm: a job as tasks of a batch job.
#include "cli/commands.hpp"
#include "cli/launch_nodes.hpp"
#include "cli/mistakes.hpp"
#include "cli/run_folder.hpp"
#include "cli/slurm_batch.hpp"
#include "cli/values.hpp"
#include "ops/files/atomic_file.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

namespace troupe::cli {

namespace {

namespace fs = std::filesystem;

constexpr std::int64_t machines_max = 4096, per_machine_max = 1024, cores_max = 4096,
                       restarts_max = 1'000'000;

// Words that become lines of the file must not make another line.
std::string one_line(value_reader& read, const std::string& name) {
  const std::string out = read.text(name);
  if (out.find('\n') != std::string::npos)
    read.add({.what = "a line break in a word for sbatch",
              .where = read.where(name),
              .why = "each is a line of the batch file",
              .help = fmt::format("--{} once for each line", name)});
  return out;
}

slurm_job job_of(const command_line& line) {
  value_reader read(line.values);
  slurm_job out{.program = line.program};
  if (read.text("nodes").empty())
    read.add({.what = "nothing says on how many machines",
              .where = "troupe launch slurm",
              .why = "",
              .help = "troupe launch slurm --nodes 4 -- ./driver"});
  else
    out.machines = static_cast<int>(read.whole("nodes", 1, machines_max));
  out.per_machine = static_cast<int>(read.whole("per-machine", 1, per_machine_max));
  if (!read.text("cores").empty()) out.cores = static_cast<int>(read.whole("cores", 1, cores_max));
  out.restarts = static_cast<int>(read.whole("restarts", 0, restarts_max));
  out.time = one_line(read, "time");
  out.partition = one_line(read, "partition");
  out.name = one_line(read, "name");
  if (out.name.empty()) out.name = driver_name(line.program);
  out.sbatch = read.value("sbatch").values;
  std::erase(out.sbatch, "");
  out.requeue = read.flag("requeue");
  out.keys = read.text("keys");
  out.logs = one_line(read, "log-folder");
  if (!read.wrong().empty()) throw mistakes(read.wrong());
  return out;
}

[[noreturn]] void throw_no_sbatch(int why) {
  throw mistakes({.what = "cannot run sbatch",
                  .where = "troupe launch slurm",
                  .why = std::generic_category().message(why),
                  .help = "run it where Slurm's programs are, or see the batch file with --print"},
                 exit_environment);
}

} // namespace

int launch_slurm(const command_line& line) {
  value_reader read(line.values);
  slurm_job job = job_of(line);
  const bool print = read.flag("print");
  job.troupe = fs::read_symlink("/proc/self/exe").string();
  if (job.logs.empty())
    job.logs = print ? "runs/" + job.name : run_folder::open("", "", "slurm-" + job.name).path();
  job.logs = fs::absolute(job.logs).lexically_normal().string();
  const int count = job.machines * job.per_machine;
  if (count > 1 && job.keys.empty()) job.keys = job.logs + "/keys";
  if (!job.keys.empty()) job.keys = fs::absolute(job.keys).lexically_normal().string();
  const std::string text = batch_text(job);
  if (print) {
    fmt::print("{}", text);
    return exit_done;
  }
  make_node_folder(job.logs, "0");
  if (!job.keys.empty()) make_node_keys(job.keys, static_cast<std::uint32_t>(count));
  const std::string file = job.logs + "/batch";
  write_file_atomically(file, text);
  fmt::print(stderr, "batch file {}; output in {}/slurm-<job>.out\n", file, job.logs);
  ::execlp("sbatch", "sbatch", file.c_str(), static_cast<char*>(nullptr));
  throw_no_sbatch(errno);
}

} // namespace troupe::cli
