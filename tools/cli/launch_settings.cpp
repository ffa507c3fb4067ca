// What the commands that start nodes can be told.
#include "cli/settings.hpp"

namespace troupe::cli {

namespace {

using enum setting_kind;

constexpr const char* restarts_help =
    "of a node within ten minutes; one more death, and the job fails. Node 0 is never restarted";

constexpr const char* share_help =
    "processes of one machine read each other's tensors where they lie; else all is sent";

} // namespace

setting_list launch_settings() {
  return {
      {"Nodes", "nodes", "N", "", "how many processes", number, false, true, 'n'},
      {"Nodes", "restarts", "N", "30", restarts_help, number},
      {"Nodes",
       "spares",
       "N",
       "0",
       "hot spares, started ahead: what dies is replaced sooner",
       number},
      {"Nodes", "over", "WAY", "ipc", "how they meet: ipc (a socket file) or tcp (a free port)"},
      {"Nodes", "coordinator", "PLACE", "", "or where: tcp://HOST:PORT or ipc:///PATH"},
      {"Nodes", "share-tensors", "", "true", share_help, flag},
      {"Nodes", "keys", "FOLDER", "", "encrypt with keys of this folder; made where missing"},
      {"Nodes", "grace", "TIME", "5 s", "for the others to end after node 0 has"},
      {"Files", "log-folder", "FOLDER", "", "gets nodes/<n>/{stdout,stderr}.log (runs/...)"}};
}

setting_list node_settings() {
  const std::string place = "Place (what is not said is read from the environment)";
  return {
      {place, "join", "PLACE", "", "where node 0 listens: tcp://HOST:PORT or ipc:///PATH"},
      {place, "number", "K", "", "which node this is, from 0", number},
      {place, "nodes", "N", "", "how many there are", number, false, true, 'n'},
      {place, "job", "NAME", "", "what all nodes of the job have in common"},
      {place, "keys", "FILE", "", "its .secret, or a FOLDER/ with node-<n>.secret"},
      {place, "trusted", "FILE", "", "the list of keys that may join (beside the key)"},
      {"Process", "share-tensors", "", "true", share_help, flag},
      {"Process", "restarts", "N", "30", restarts_help, number},
      {"Process", "log-folder", "FOLDER", "", "write nodes/<n>/{stdout,stderr}.log, but node 0's"}};
}

setting_list launch_slurm_settings() {
  const std::string g = "Allocation", n = "Nodes";
  return {{g, "nodes", "N", "", "machines", number, false, true, 'n'},
          {g, "per-machine", "N", "1", "nodes of the job on each", number},
          {g, "cores", "N", "", "of each node (Slurm decides)", number},
          {g, "time", "LIMIT", "", "as for sbatch: 02:00:00 (the partition's)"},
          {g, "partition", "NAME", "", "of the cluster (its default)"},
          {g, "name", "NAME", "", "of the job (the driver's)"},
          {g, "sbatch", "WORDS", "", "another line for sbatch, like --gres=gpu:1", text, true},
          {n, "restarts", "N", "30", restarts_help, number},
          {n, "requeue", "", "false", "at the time limit save, and wait in the queue again", flag},
          {n, "keys", "FOLDER", "", "keys of the nodes; made where missing (LOG-FOLDER/keys)"},
          {"Files", "log-folder", "FOLDER", "", "on a disk that all machines have (runs/...)"},
          {"Files", "print", "", "false", "print the batch file; write and submit nothing", flag}};
}

} // namespace troupe::cli
