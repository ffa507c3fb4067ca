#include "troupe/place_sources.hpp"

#include "troupe/host_list.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe {

namespace {

constexpr std::uint64_t first_port = 61440, ports = 4096; // above what systems give away

// Reads the variables of one source and keeps what it read.
class claim_reader {
public:
  claim_reader(std::string source, const environment_variables& v, std::vector<error_text>& wrong)
      : v_(v), wrong_(wrong) {
    claim_.source = std::move(source);
  }

  [[nodiscard]] bool has(const std::string& name) const {
    return v_.count(name) > 0 && !v_.at(name).empty();
  }

  std::string text(const std::string& name) {
    if (!has(name)) return "";
    const std::pair<std::string, std::string> both(name, v_.at(name));
    auto& read = claim_.read;
    if (std::find(read.begin(), read.end(), both) == read.end()) read.push_back(both);
    return both.second;
  }

  std::optional<std::uint32_t> number(const std::string& name) {
    const std::string said = text(name);
    if (said.empty()) return {};
    const bool digits = said.find_first_not_of("0123456789") == std::string::npos;
    if (digits && said.size() <= 10 && std::stoull(said) <= UINT32_MAX) // jobs of federated Slurms
      return static_cast<std::uint32_t>(std::stoull(said));
    wrong_.push_back({.what = fmt::format("'{}' is no number", said),
                      .where = fmt::format("{}={}", name, said),
                      .why = fmt::format("{} of {} is a whole number from 0", name, claim_.source),
                      .help = fmt::format("unset {}, or export a number", name)});
    return {};
  }

  bool flag(const std::string& name, bool otherwise) {
    const std::string said = text(name);
    if (said.empty()) return otherwise;
    if (said != "true" && said != "false")
      wrong_.push_back({.what = fmt::format("'{}' is neither true nor false", said),
                        .where = fmt::format("{}={}", name, said),
                        .why = "",
                        .help = fmt::format("unset {}, or export true or false", name)});
    return said == "true";
  }

  int count_of(const std::string& name) { return static_cast<int>(number(name).value_or(0)); }

  place_claim& claim() { return claim_; }

private:
  const environment_variables& v_;
  std::vector<error_text>& wrong_;
  place_claim claim_;
};

constexpr const char* say_coordinator = "export TROUPE_COORDINATOR=tcp://HOST:PORT, where HOST is "
                                        "the machine of node 0, for every process";

bool is_near(const std::string& word, const std::string& known) {
  return !did_you_mean(word, &known, &known + 1).empty();
}

// A variable that was meant to be `wanted`, perhaps.
std::string misspelt(const std::string& wanted, const environment_variables& v) {
  for (const auto& [name, value] : v)
    if (name.rfind("TROUPE_", 0) == 0 && name != wanted &&
        (name.rfind(wanted, 0) == 0 || is_near(name.substr(7), wanted.substr(7))))
      return fmt::format("; did you mean {} by {}={}?", wanted, name, value);
  return "";
}

// Present where it says anything of a place; a job's name alone makes no node.
std::optional<place_claim> troupe_claim(claim_reader read, own_words& own, bool others) {
  const bool places = read.has("TROUPE_RANK") || read.has("TROUPE_WORLD") ||
                      read.has("TROUPE_COORDINATOR") || read.has("TROUPE_LOCAL_RANK");
  place_claim& c = read.claim();
  c.number = read.number("TROUPE_RANK");
  c.count = read.number("TROUPE_WORLD");
  c.local_number = read.number("TROUPE_LOCAL_RANK");
  c.coordinator = read.text("TROUPE_COORDINATOR");
  own.job = c.job = read.text("TROUPE_JOB");
  own.restarts = c.restarts = read.count_of("TROUPE_RESTART");
  own.keys = read.text("TROUPE_KEYS");
  own.trusted = read.text("TROUPE_TRUSTED");
  own.share_tensors = read.flag("TROUPE_SHARE_TENSORS", true);
  if (read.has("TROUPE_SPARE")) own.spare = read.count_of("TROUPE_SPARE");
  own.alone = c.count == 1U && !read.has("TROUPE_RANK");
  if (!places && !others) return {};
  if (c.read.empty()) return {};
  return c;
}

// torchrun's own store listens at MASTER_PORT; node 0 takes the port beside it then.
std::string master_of(claim_reader& read, std::vector<error_text>& wrong) {
  const std::string host = read.text("MASTER_ADDR");
  const auto port = read.number("MASTER_PORT");
  if (host.empty() || !port) return "";
  const bool taken = read.text("TORCHELASTIC_USE_AGENT_STORE") == "True";
  if (*port == 0 || *port > 65535)
    wrong.push_back({.what = fmt::format("there is no port {}", *port),
                     .where = fmt::format("MASTER_PORT={}", *port),
                     .why = "ports are 1 to 65535",
                     .help = "torchrun --master-port 29500"});
  return fmt::format("tcp://{}:{}", host, !taken ? *port : *port == 65535 ? 65534 : *port + 1);
}

std::optional<place_claim> torchrun_claim(claim_reader read, std::vector<error_text>& wrong) {
  if (!read.has("RANK") || !read.has("WORLD_SIZE")) return {};
  place_claim& c = read.claim();
  c.number = read.number("RANK");
  c.count = read.number("WORLD_SIZE");
  c.local_number = read.number("LOCAL_RANK");
  c.coordinator = master_of(read, wrong);
  c.job = read.text("TORCHELASTIC_RUN_ID");
  if (!c.job.empty()) c.job = "torchrun-" + c.job;
  c.restarts = read.count_of("TORCHELASTIC_RESTART_COUNT");
  c.coordinator_trouble = "MASTER_ADDR and MASTER_PORT are not both set";
  c.without_coordinator = "export MASTER_ADDR=HOST MASTER_PORT=29500 for every process";
  return c;
}

// All on one machine meet at a port that follows from the name that mpirun gave the job.
std::string open_mpi_meeting(claim_reader& read, const place_claim& c) {
  if (!c.count || read.number("OMPI_COMM_WORLD_LOCAL_SIZE") != c.count) return "";
  std::uint64_t hash = 14695981039346656037ULL; // FNV-1a
  for (const char byte : c.job)
    hash = (hash ^ static_cast<unsigned char>(byte)) * 1099511628211ULL;
  return fmt::format("tcp://127.0.0.1:{}", first_port + (hash >> 32U) % ports);
}

std::optional<place_claim> open_mpi_claim(claim_reader read) {
  if (!read.has("OMPI_COMM_WORLD_RANK")) return {};
  place_claim& c = read.claim();
  c.number = read.number("OMPI_COMM_WORLD_RANK");
  c.count = read.number("OMPI_COMM_WORLD_SIZE");
  c.local_number = read.number("OMPI_COMM_WORLD_LOCAL_RANK");
  c.job = read.text("PMIX_NAMESPACE");
  if (!c.job.empty()) c.job = "mpirun-" + c.job;
  c.coordinator = open_mpi_meeting(read, c);
  c.without_count = "export TROUPE_WORLD=4, the number of processes";
  c.coordinator_trouble = "mpirun's processes are on several machines, and it does not say where "
                          "node 0 is";
  c.without_coordinator = "mpirun -x TROUPE_COORDINATOR=tcp://HOST:PORT ..., where HOST is the "
                          "first machine of its host list";
  return c;
}

bool is_step(const claim_reader& read, const environment_variables& v) {
  if (!read.has("SLURM_PROCID") || !read.has("SLURM_STEP_ID")) return false;
  if (read.has("SLURM_PTY_PORT")) return false; // a terminal: srun --pty
  const std::string& step = v.at("SLURM_STEP_ID");
  // The steps of a batch script and of an interactive allocation have numbers from 0xfffffff0.
  return step.find_first_not_of("0123456789") == std::string::npos && step.size() < 10;
}

std::string slurm_job_id(claim_reader& read) {
  const std::string array = read.text("SLURM_ARRAY_JOB_ID");
  const std::string task = read.text("SLURM_ARRAY_TASK_ID");
  return array.empty() || task.empty() ? read.text("SLURM_JOB_ID")
                                       : fmt::format("{}_{}", array, task);
}

std::string first_host_of(claim_reader& read, std::vector<error_text>& wrong) {
  const char* name = read.has("SLURM_STEP_NODELIST") ? "SLURM_STEP_NODELIST" : "SLURM_JOB_NODELIST";
  const std::string list = read.text(name);
  if (list.empty()) return "";
  try {
    return hosts_in(list).front();
  } catch (const error& e) {
    error_text text = e.text();
    text.where = fmt::format("{}={}", name, list);
    wrong.push_back(text);
    return "";
  }
}

std::optional<place_claim> slurm_claim(claim_reader read, std::vector<error_text>& wrong) {
  place_claim& c = read.claim();
  c.number = read.number("SLURM_PROCID");
  c.count = read.number(read.has("SLURM_STEP_NUM_TASKS") ? "SLURM_STEP_NUM_TASKS" : "SLURM_NTASKS");
  c.local_number = read.number("SLURM_LOCALID");
  const std::string host = first_host_of(read, wrong);
  const auto port = read.number("SLURM_JOB_ID");
  if (!host.empty() && port)
    c.coordinator = fmt::format("tcp://{}:{}", host, first_port + *port % ports);
  c.job = fmt::format("slurm-{}.{}", slurm_job_id(read), read.text("SLURM_STEP_ID"));
  c.restarts = read.count_of("SLURM_RESTART_COUNT");
  c.without_count = "start it with srun -n 4, which says SLURM_NTASKS";
  c.coordinator_trouble = "SLURM_STEP_NODELIST or SLURM_JOB_ID is missing";
  c.without_coordinator = say_coordinator;
  return c;
}

std::optional<place_claim> pmix_claim(claim_reader read) {
  if (!read.has("PMIX_RANK") || !read.has("PMIX_NAMESPACE")) return {};
  place_claim& c = read.claim();
  c.number = read.number("PMIX_RANK");
  c.job = "pmix-" + read.text("PMIX_NAMESPACE");
  c.without_count = "export TROUPE_WORLD=4, the number of processes, for every process";
  c.coordinator_trouble = "PMIx does not say where node 0 is";
  c.without_coordinator = say_coordinator;
  return c;
}

std::optional<place_claim> kubernetes_claim(claim_reader read) {
  if (!read.has("JOB_COMPLETION_INDEX")) return {};
  place_claim& c = read.claim();
  c.number = read.number("JOB_COMPLETION_INDEX");
  const std::string end = fmt::format("-{}", c.number.value_or(0));
  std::string job = read.text("HOSTNAME"); // of an Indexed Job: <job>-<index>
  if (job.size() > end.size() && job.compare(job.size() - end.size(), end.size(), end) == 0)
    job.resize(job.size() - end.size());
  else
    job = "fashion";
  c.job = "kubernetes-" + job;
  const std::string lines = fmt::format("in the container's part of the Job's manifest:\n"
                                        "    env:\n"
                                        "      - name: TROUPE_WORLD\n"
                                        "        value: \"4\"    # as .spec.completions\n"
                                        "      - name: TROUPE_COORDINATOR\n"
                                        "        value: \"tcp://{0}-0.{0}:5555\"    # node 0, by "
                                        "way of the headless Service {0}",
                                        job);
  c.without_count = lines;
  c.coordinator_trouble = "Kubernetes does not say the name of the Service";
  c.without_coordinator = lines;
  return c;
}

} // namespace

std::string place_claim::names_text() const {
  std::string out;
  for (const auto& one : read)
    out += (out.empty() ? "" : ", ") + one.first;
  return out;
}

std::string place_claim::values_text() const {
  std::string out;
  for (const auto& [name, value] : read)
    out += fmt::format("{}{}={}", out.empty() ? "" : ", ", name, value);
  return out;
}

place_sources read_place_sources(const environment_variables& v) {
  place_sources out;
  const auto reader = [&](const char* source) { return claim_reader(source, v, out.wrong); };
  const auto add = [&](const char* source, const std::optional<place_claim>& claim) {
    out.asked.emplace_back(source, claim ? claim->values_text() : "not set");
    if (claim) out.claims.push_back(*claim);
  };
  add("torchrun", torchrun_claim(reader("torchrun"), out.wrong));
  add("Open MPI", open_mpi_claim(reader("Open MPI")));
  const bool mpirun = v.count("OMPI_COMM_WORLD_RANK") > 0;
  if (mpirun && v.count("SLURM_JOB_ID") > 0) // what is left there of Slurm's is of mpirun's daemon
    out.asked.emplace_back("Slurm", "not asked: mpirun started this process");
  else if (const auto slurm = reader("Slurm"); is_step(slurm, v))
    add("Slurm", slurm_claim(slurm, out.wrong));
  else if (slurm.has("SLURM_JOB_ID"))
    out.asked.emplace_back(
        "Slurm", out.shell = fmt::format("a shell of job {}, not a task", v.at("SLURM_JOB_ID")));
  else
    add("Slurm", {});
  if (mpirun)
    out.asked.emplace_back("PMIx", "as Open MPI");
  else
    add("PMIx", pmix_claim(reader("PMIx")));
  add("Kubernetes", kubernetes_claim(reader("Kubernetes")));

  const bool others = !out.claims.empty();
  auto own = troupe_claim(reader("Troupe"), out.own, others);
  out.asked.emplace(out.asked.begin(), "Troupe", own ? own->values_text() : "not set");
  if (!own) return out;
  own->coordinator_trouble = "TROUPE_COORDINATOR is missing" + misspelt("TROUPE_COORDINATOR", v);
  own->without_coordinator = say_coordinator;
  own->without_count = "export TROUPE_WORLD=4, the number of nodes" + misspelt("TROUPE_WORLD", v);
  out.claims.insert(out.claims.begin(), *own);
  return out;
}

const std::vector<std::string>& place_variables() {
  static const std::vector<std::string> names = {"TROUPE_RANK",
                                                 "TROUPE_WORLD",
                                                 "TROUPE_LOCAL_RANK",
                                                 "TROUPE_COORDINATOR",
                                                 "TROUPE_JOB",
                                                 "TROUPE_RESTART",
                                                 "TROUPE_KEYS",
                                                 "TROUPE_TRUSTED",
                                                 "TROUPE_SPARE",
                                                 "RANK",
                                                 "OMPI_COMM_WORLD_RANK",
                                                 "SLURM_PROCID",
                                                 "PMIX_RANK",
                                                 "JOB_COMPLETION_INDEX"};
  return names;
}

} // namespace troupe
