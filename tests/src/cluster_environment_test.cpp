#include "troupe/cluster_environment.hpp"

#include "support/error_of.hpp"
#include "troupe/host_list.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace troupe {

namespace {

using strings = std::vector<std::string>;

environment_variables with(environment_variables v, const environment_variables& more) {
  for (const auto& [name, value] : more)
    v[name] = value;
  return v;
}

const environment_variables by_troupe = {{"TROUPE_RANK", "2"},
                                         {"TROUPE_WORLD", "4"},
                                         {"TROUPE_LOCAL_RANK", "1"},
                                         {"TROUPE_COORDINATOR", "tcp://a:5555"},
                                         {"TROUPE_JOB", "fashion"},
                                         {"TROUPE_RESTART", "3"}};
const environment_variables by_torchrun = {{"RANK", "5"},
                                           {"WORLD_SIZE", "8"},
                                           {"LOCAL_RANK", "1"},
                                           {"MASTER_ADDR", "gpu-a"},
                                           {"MASTER_PORT", "29500"},
                                           {"TORCHELASTIC_RUN_ID", "x7"},
                                           {"TORCHELASTIC_RESTART_COUNT", "2"}};
const environment_variables by_slurm = {{"SLURM_JOB_ID", "4113"},
                                        {"SLURM_STEP_ID", "0"},
                                        {"SLURM_PROCID", "2"},
                                        {"SLURM_NTASKS", "4"},
                                        {"SLURM_STEP_NUM_TASKS", "4"},
                                        {"SLURM_LOCALID", "1"},
                                        {"SLURM_JOB_NODELIST", "a[1-9]"},
                                        {"SLURM_STEP_NODELIST", "n[003-004,7],m2"},
                                        {"SLURM_RESTART_COUNT", "1"}};
const environment_variables by_mpirun = {{"OMPI_COMM_WORLD_RANK", "3"},
                                         {"OMPI_COMM_WORLD_SIZE", "4"},
                                         {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
                                         {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"},
                                         {"PMIX_NAMESPACE", "3523674113.1"},
                                         {"PMIX_RANK", "3"}};
const environment_variables by_kubernetes = {{"JOB_COMPLETION_INDEX", "2"},
                                             {"HOSTNAME", "cnn-2"},
                                             {"TROUPE_WORLD", "4"},
                                             {"TROUPE_COORDINATOR", "tcp://cnn-0.cnn:5555"}};

} // namespace

TEST_CASE("a process that nobody placed is a job of its own") {
  const node_place place = place_in({{"HOME", "/root"}, {"RANK", "1"}, {"TROUPE_BATCH", "64"}});
  CHECK(place.number == 0);
  CHECK(place.count == 1);
  CHECK(place.coordinator.empty());
  CHECK(place.source == "this process alone");
}

TEST_CASE("Troupe's variables say the whole place") {
  const node_place place = place_in(by_troupe);
  CHECK(place.number == 2);
  CHECK(place.count == 4);
  CHECK(place.local_number == 1);
  CHECK(place.coordinator == "tcp://a:5555");
  CHECK(place.job == "fashion");
  CHECK(place.restarts == 3);
  CHECK(place.keys.empty());
  CHECK(place.trusted.empty());
  CHECK(test::contains(place.source, "Troupe (TROUPE_RANK, TROUPE_WORLD, "));
  CHECK(place_in(with(by_troupe, {{"TROUPE_COORDINATOR", "a:5555"}})).coordinator ==
        "tcp://a:5555");
}

TEST_CASE("torchrun's variables say the whole place, and its own store keeps its port") {
  const node_place place = place_in(by_torchrun);
  CHECK(place.number == 5);
  CHECK(place.count == 8);
  CHECK(place.local_number == 1);
  CHECK(place.coordinator == "tcp://gpu-a:29500");
  CHECK(place.job == "torchrun-x7");
  CHECK(place.restarts == 2);
  CHECK(place_in(with(by_torchrun, {{"TORCHELASTIC_USE_AGENT_STORE", "True"}})).coordinator ==
        "tcp://gpu-a:29501");
}

TEST_CASE("a task of a Slurm step is a node, met on the step's first host") {
  const node_place place = place_in(by_slurm);
  CHECK(place.number == 2);
  CHECK(place.count == 4);
  CHECK(place.local_number == 1);
  CHECK(place.coordinator == "tcp://n003:61457"); // 61440 + 4113 mod 4096
  CHECK(place.job == "slurm-4113.0");
  CHECK(place.restarts == 1);
  CHECK(test::contains(place.source, "Slurm (SLURM_PROCID, SLURM_STEP_NUM_TASKS"));
  CHECK(place_in(with(by_slurm, {{"SLURM_JOB_ID", "4227858433"}})).coordinator ==
        "tcp://n003:61441"); // of federated clusters
  const environment_variables array = {{"SLURM_ARRAY_JOB_ID", "4100"},
                                       {"SLURM_ARRAY_TASK_ID", "13"}};
  CHECK(place_in(with(by_slurm, array)).job == "slurm-4100_13.0");
}

TEST_CASE("a shell in Slurm that is no task of a step is a job of its own") {
  for (const environment_variables& shell :
       {environment_variables{{"SLURM_STEP_ID", ""}},           // salloc, sbatch
        environment_variables{{"SLURM_STEP_ID", "4294967291"}}, // the batch script
        environment_variables{{"SLURM_STEP_ID", "4294967290"}}, // an interactive allocation
        environment_variables{{"SLURM_PTY_PORT", "35001"}}}) {  // srun --pty
    const node_place place = place_in(with(by_slurm, shell));
    CHECK(place.count == 1);
    CHECK(place.source == "this process alone (a shell of job 4113, not a task)");
  }
}

TEST_CASE(
    "mpirun's processes meet by themselves on one machine, and where they are told on several") {
  CHECK_ERROR(place_in(by_mpirun), "nothing says where the nodes meet");
  CHECK_ERROR(place_in(by_mpirun), "mpirun -x TROUPE_COORDINATOR=tcp://HOST:PORT");
  const node_place told = place_in(with(by_mpirun, {{"TROUPE_COORDINATOR", "tcp://a:5555"}}));
  CHECK(told.number == 3);
  CHECK(told.count == 4);
  CHECK(told.local_number == 1);
  CHECK(told.coordinator == "tcp://a:5555");
  CHECK(told.job == "mpirun-3523674113.1");
  CHECK(test::contains(told.source, "Troupe (TROUPE_COORDINATOR), Open MPI (OMPI_COMM_WORLD_RANK"));
  const auto one_machine = with(by_mpirun, {{"OMPI_COMM_WORLD_LOCAL_SIZE", "4"}});
  CHECK(place_in(one_machine).coordinator.rfind("tcp://127.0.0.1:6", 0) == 0);
  CHECK(place_in(one_machine).coordinator !=
        place_in(with(one_machine, {{"PMIX_NAMESPACE", "3523674114.1"}})).coordinator);
}

TEST_CASE("what mpirun's daemon inherited from Slurm places nobody") {
  const auto both = with(with(by_slurm, by_mpirun), {{"TROUPE_COORDINATOR", "tcp://a:5555"}});
  CHECK(place_in(both).number == 3);
  CHECK(test::contains(explain_place(both), "Slurm       not asked: mpirun started this process"));
}

TEST_CASE("PMIx says a number, and Troupe's variables the rest") {
  const environment_variables pmix = {{"PMIX_RANK", "1"}, {"PMIX_NAMESPACE", "n.7"}};
  CHECK_ERROR(place_in(pmix), "export TROUPE_WORLD=4");
  CHECK_ERROR(place_in(with(pmix, {{"TROUPE_WORLD", "3"}})), "PMIx does not say where node 0 is");
  const node_place place =
      place_in(with(pmix, {{"TROUPE_WORLD", "3"}, {"TROUPE_COORDINATOR", "tcp://a:5"}}));
  CHECK(place.number == 1);
  CHECK(place.count == 3);
  CHECK(place.job == "pmix-n.7");
}

TEST_CASE("a Pod of an Indexed Job is the node of its index") {
  const node_place place = place_in(by_kubernetes);
  CHECK(place.number == 2);
  CHECK(place.count == 4);
  CHECK(place.coordinator == "tcp://cnn-0.cnn:5555");
  CHECK(place.job == "kubernetes-cnn");
  CHECK_ERROR(place_in({{"JOB_COMPLETION_INDEX", "2"}, {"HOSTNAME", "cnn-2"}}),
              "value: \"tcp://cnn-0.cnn:5555\"");
}

TEST_CASE("a node shares its tensors unless it is told not to") {
  CHECK(place_in(by_troupe).share_tensors);
  CHECK(place_in(with(by_slurm, {{"TROUPE_SHARE_TENSORS", "true"}})).share_tensors);
  CHECK_FALSE(place_in(with(by_slurm, {{"TROUPE_SHARE_TENSORS", "false"}})).share_tensors);
  CHECK_ERROR(place_in(with(by_troupe, {{"TROUPE_SHARE_TENSORS", "no"}})),
              "'no' is neither true nor false");
}

TEST_CASE("single values of another source can be overridden, a place cannot") {
  const node_place place = place_in(with(by_slurm,
                                         {{"TROUPE_COORDINATOR", "tcp://10.0.0.1:7"},
                                          {"TROUPE_JOB", "mine"},
                                          {"TROUPE_RESTART", "9"}}));
  CHECK(place.number == 2);
  CHECK(place.coordinator == "tcp://10.0.0.1:7");
  CHECK(place.job == "mine");
  CHECK(place.restarts == 9);
  CHECK(place_in(with(by_slurm, {{"TROUPE_WORLD", "1"}})).count == 1);
}

TEST_CASE("sources that contradict each other are an error that shows both") {
  const auto left_over = with(by_slurm, {{"TROUPE_RANK", "1"}});
  CHECK_ERROR(place_in(left_over), "TROUPE_RANK=1, SLURM_PROCID=2, SLURM_STEP_NUM_TASKS=4");
  CHECK_ERROR(place_in(left_over), "Troupe says node 1, Slurm says node 2 of 4");
  CHECK_ERROR(place_in(with(by_slurm, {{"TROUPE_WORLD", "3"}})),
              "Slurm says node 2 of 4, and the job has 3 nodes");
  const auto exported = with(by_slurm, {{"RANK", "0"}, {"WORLD_SIZE", "4"}});
  CHECK_ERROR(place_in(with(exported, {{"TROUPE_COORDINATOR", "tcp://a:5"}})),
              "torchrun says node 0 of 4, Slurm says node 2 of 4");
  CHECK_ERROR(place_in(with(by_kubernetes, {{"TROUPE_RANK", "1"}})),
              "Troupe says node 1 of 4, Kubernetes says node 2");
  CHECK_ERROR(place_in(with(with(by_torchrun, by_mpirun), {{"OMPI_COMM_WORLD_RANK", "1"}})),
              "torchrun says node 5 of 8, Open MPI says node 1 of 4");
}

TEST_CASE("a task of one engine may start several nodes of another, block by block") {
  const environment_variables task = {
      {"SLURM_JOB_ID", "7"}, {"SLURM_STEP_ID", "0"}, {"SLURM_PROCID", "1"}, {"SLURM_NTASKS", "2"}};
  CHECK(place_in(with(by_torchrun, task)).number == 5); // 4 of each task: 4 to 7 are of task 1
  CHECK_ERROR(place_in(with(with(by_torchrun, task), {{"RANK", "3"}})),
              "torchrun says node 3 of 8, Slurm says node 1 of 2");
  CHECK(place_in(with(with(by_torchrun, task), {{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "1"}}))
            .count == 8);
}

TEST_CASE("a place that is not complete says what is missing, and how to say it") {
  CHECK_ERROR(place_in({{"TROUPE_RANK", "1"}}), "nothing says how many nodes there are");
  CHECK_ERROR(place_in({{"TROUPE_RANK", "1"}, {"TROUPE_WORLD_SIZE", "4"}}),
              "did you mean TROUPE_WORLD by TROUPE_WORLD_SIZE=4?");
  CHECK_ERROR(place_in({{"TROUPE_WORLD", "4"}}), "nothing says which node this process is");
  CHECK_ERROR(place_in({{"TROUPE_COORDINATOR", "tcp://a:5"}}), "export TROUPE_RANK=0");
  CHECK_ERROR(place_in({{"TROUPE_RANK", "1"}, {"TROUPE_WORLD", "4"}}),
              "export TROUPE_COORDINATOR=tcp://HOST:PORT");
  CHECK_ERROR(place_in({{"TROUPE_RANK", "4"}, {"TROUPE_WORLD", "4"}}), "there is no node 4 of 4");
  CHECK_ERROR(place_in({{"TROUPE_RANK", "0"}, {"TROUPE_WORLD", "0"}}), "there is no node 0 of 0");
  CHECK_ERROR(place_in({{"TROUPE_RANK", "0"}, {"TROUPE_WORLD", "99999999"}}), "counted from 0");
}

TEST_CASE("values that are none are told with their variables, all at once") {
  CHECK_ERROR(place_in(with(by_troupe, {{"TROUPE_RANK", "two"}})), "--> TROUPE_RANK=two");
  const auto several = with(by_troupe, {{"TROUPE_RANK", "-1"}, {"TROUPE_WORLD", "4x"}});
  CHECK_ERROR(place_in(several), "2 variables of this process are wrong");
  CHECK_ERROR(place_in(several), "TROUPE_RANK=-1");
  CHECK_ERROR(place_in(several), "TROUPE_WORLD=4x");
  CHECK_ERROR(place_in(with(by_slurm, {{"SLURM_JOB_ID", "4294967296"}})), "is no number");
  for (const char* where : {"inproc://x",
                            "tcp://:5",
                            "tcp://a",
                            "tcp://a:0",
                            "tcp://a:70000",
                            "tcp://a:5x",
                            "ipc://relative",
                            "ipc:///",
                            "http://a:5"})
    CHECK_ERROR(place_in(with(by_troupe, {{"TROUPE_COORDINATOR", where}})), "is no place to meet");
  CHECK(place_in(with(by_troupe, {{"TROUPE_COORDINATOR", "tcp://[::1]:5"}})).count == 4);
  CHECK(place_in(with(by_troupe, {{"TROUPE_COORDINATOR", "ipc:///run/x"}})).coordinator ==
        "ipc:///run/x");
  CHECK_ERROR(place_in(with(by_torchrun, {{"MASTER_PORT", "70000"}})), "there is no port 70000");
  CHECK_ERROR(place_in(with(by_slurm, {{"SLURM_STEP_NODELIST", "n[3-1]"}})),
              "SLURM_STEP_NODELIST=n[3-1]");
}

TEST_CASE("keys are a file, or a folder with a key for each node, and the list lies beside them") {
  const node_place file = place_in(with(by_troupe, {{"TROUPE_KEYS", "keys/two.secret"}}));
  CHECK(file.keys == "keys/two.secret");
  CHECK(file.trusted == "keys/trusted");
  const node_place folder = place_in(
      with(by_slurm, {{"TROUPE_KEYS", "/shared/keys/"}, {"TROUPE_TRUSTED", "/etc/trusted"}}));
  CHECK(folder.keys == "/shared/keys/node-2.secret");
  CHECK(folder.trusted == "/etc/trusted");
  CHECK_ERROR(place_in(with(by_troupe, {{"TROUPE_TRUSTED", "t"}})), "but no key of this node");
}

TEST_CASE("the explanation names everybody who was asked, and what came of it") {
  const std::string text = explain_place(by_slurm);
  INFO(text);
  for (const char* part : {"Troupe      not set\n",
                           "torchrun    not set\n",
                           "Open MPI    not set\n",
                           "Slurm       SLURM_PROCID=2, ",
                           "PMIx        not set\n",
                           "Kubernetes  not set\n",
                           "so it is    node 2 of 4, met at tcp://n003:61457, job slurm-4113.0"})
    CHECK(test::contains(text, part));
  CHECK(test::contains(explain_place({{"TROUPE_RANK", "x"}}), "error: 'x' is no number"));
}

TEST_CASE("a list of hosts is taken apart as Slurm writes it") {
  CHECK(hosts_in("n1") == strings{"n1"});
  CHECK(hosts_in("n[001-003,7],m2") == strings{"n001", "n002", "n003", "n7", "m2"});
  CHECK(hosts_in("r[1-2]n[09-10]-ib") == strings{"r1n09-ib", "r1n10-ib", "r2n09-ib", "r2n10-ib"});
  CHECK(hosts_in("a-b.c.d,e") == strings{"a-b.c.d", "e"});
  CHECK(hosts_in("n[0-65535]").size() == 65536);
  for (const char* bad : {"",
                          "n[",
                          "n]",
                          "n[1",
                          "n[1-]",
                          "n[-1]",
                          "n[a]",
                          "n[]",
                          "n[2-1]",
                          "a,,b",
                          "a,",
                          "n[[1]]",
                          "n[0-65536]",
                          "n[0-999][0-999]",
                          "n[1-9999999999]"})
    CHECK_ERROR(hosts_in(bad), "is no list of hosts");
}

} // namespace troupe
