#include "cli/help.hpp"

#include "ops/program.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <map>

namespace troupe::cli {

namespace {

const std::map<std::string, std::string>& summaries() {
  static const std::map<std::string, std::string> texts = {
      {"train", "train a network"},
      {"plan", "show layers, wiring, cost and every mistake of a training; run nothing"},
      {"wiring", "show, price, draw and save who computes what"},
      {"simulate", "play a training on a simulated cluster, in virtual time"},
      {"calibrate", "measure this machine, for simulations of it"},
      {"eval", "loss and accuracy of saved weights"},
      {"bench", "images per second on this machine"},
      {"keys", "keys of nodes: make them, and say who may join"},
      {"launch", "run a program as several processes of one job, here or in Slurm"},
      {"launch-slurm", "the same as a batch job (troupe launch slurm)"},
      {"node", "run a program as one node of a job whose others run elsewhere"},
      {"top", "watch a running job: its steps, nodes and links"},
      {"why", "ask a running job who waits for what, and who is to blame"},
      {"kill", "kill an actor of a running job; it is restarted"},
      {"inject", "let something go wrong in a running job"},
      {"chaos", "kill random actors of a running job, again and again"},
      {"drain", "let a node leave a running job; its actors go on elsewhere"},
      {"stop", "end a running job after its step, as Ctrl-C does"},
      {"doctor", "what this machine has: versions, kernels, cores, data sets"},
  };
  return texts;
}

std::string examples_of(const std::string& command) {
  if (command.empty())
    return R"(Trains neural networks with actors. A worker may be killed in mid-step:
the result is the same.

Examples:
  troupe train                                     a CNN on Fashion-MNIST, two replicas
  troupe train --kill layer_shard/1/0@step=30      the same, with a death; the digest is equal
  troupe plan --model resnet20 --replicas 4        what a training would do and cost
  troupe wiring --topology pipeline --stages 3     who would compute what, and its price
  troupe simulate --replicas 8 --link "1 ms, 10 Gbit/s"    on a cluster that you do not have
  troupe launch -n 4 -- ./driver                   your program as four processes of one job
  troupe top                                       what the job of runs/ is doing right now
  troupe why                                       what it waits for, and who is to blame
  troupe eval --load weights.safetensors           how good saved weights are
  troupe COMMAND --help                            options of a command
)";
  if (command == "train" || command == "plan")
    return fmt::format(R"({0}

Examples:
  troupe {1}
  troupe {1} --model lenet --epochs 3 --save lenet.safetensors
  troupe {1} --model resnet20 --augment flip,shift:2 --replicas 2 --microbatches 4
  troupe {1} --optimizer adamw --learning-rate 0.001 --weight-decay 0.01
  troupe {1} --data my-folder --validation 0.1 --class-weights balanced
  troupe {1} --topology hybrid --replicas 2 --stages 2 --microbatches 8
  troupe {1} --islands 2 --outer-every 8 --microbatches 4
  troupe {1} --kill data_loader@step=10 --kill layer_shard/1/0@step=30
  troupe {1} --topology parameter-server --consistency ssp:8 --dial staleness=1@step=200
  troupe {1} --resume runs/2026-01-31-fashion-mnist-cnn-1
  troupe {1} --config job.toml --seed 2

A value is taken from the flag, else from TROUPE_<NAME> in the environment, else from --config,
else it is the default in brackets. Ctrl-C finishes the step and saves; twice ends at once.
)",
                       command == "train"
                           ? "Trains a network; what is printed at the end goes to stdout."
                           : "Checks a training and shows what it would be.",
                       command);
  if (command == "wiring")
    return R"(Who computes what in a training, and what it costs: the wiring, the model in pieces
with their times on this machine, memory and messages. It trains nothing.

Examples:
  troupe wiring --topology pipeline --stages 3 --schedule-chart
  troupe wiring --topology hybrid --cut measured --draw wiring.svg
  troupe wiring --replicas 2 --supervision --draw-supervision tree.svg
  troupe wiring --topology pipeline --pipeline zero-bubble --microbatches 8 --save-wiring w.json
  troupe train --microbatches 8 --wiring w.json    what was saved, and edited by you
)";
  if (command == "simulate")
    return R"(Plays a training on a simulated cluster: the same actors and the same results, in one
thread and in virtual time. The same options, seeds among them, give the same run, event by event.

Examples:
  troupe simulate --replicas 4 --link "1 ms, 10 Gbit/s"
  troupe simulate --replicas 4 --nodes 2 --node "4 cores" --node "1: 2x slower"
  troupe simulate --topology pipeline --stages 2 --event "30 ms kill layer_shard/0/1"
  troupe simulate --link "200 us, 1 Gbit/s, loss 1 %" --link "0->1: 20 ms" --scenario storm.toml
  troupe simulate --timing-only --replicas 1000 --microbatches 1000 --batch 8000 --groups 40
  troupe simulate --machine machine.toml --replicas 2 --nodes 1    how long steps would take there
  troupe simulate --any-order --world-seed 7 --trace heard.txt
  troupe simulate --replicas 4 --failures "1 per 500 ms" --plot report.svg
  troupe simulate --timing-only --sweep nodes=2,4,...,64 --sweep "link=5 us; 1 ms" --batch 32

Events:
  30 ms kill layer_shard/1     in virtual time since the start; kill node 3: all of its actors
  30 ms leave 3                node 3 goes, its actors are restarted on others; join 3: it comes
  40 ms pause 1                node 1 stands still; resume 1
  50 ms slow 0 x3              what begins on node 0 from now on takes three times as long
  60 ms cut 0->1               what node 0 sends to node 1 waits; 0-1: both ways; node 3: all
  80 ms heal 0->1

A scenario describes the cluster and its events (docs/simulation.md has all keys):
  seed = 7
  [link]
  latency = "100 us"
  bandwidth = "10 Gbit/s"
  [[event]]
  at = "30 ms"
  kill = "layer_shard/1"
)";
  if (command == "calibrate")
    return R"(Measures this machine for troupe simulate: kernels by layer and size, memory, sums,
updates, messages, and what cores lose to each other. Writes a profile (TOML) in a few seconds.

Examples:
  troupe calibrate
  troupe calibrate --out here.toml && troupe simulate --machine here.toml --nodes 1 --replicas 2
  troupe calibrate --models resnet20 --images 32 --rounds 9

A profile can be written by hand; what it leaves out is derived:
  flops = "2 TFLOP/s"          of a core
  bandwidth = "200 GB/s"       of a core
  cores = 16
)";
  if (command == "eval")
    return R"(Loss and accuracy of saved weights on the test images.

Examples:
  troupe eval --model lenet --load lenet.safetensors
  troupe eval --load runs/2026-01-31-fashion-mnist-cnn-1/checkpoints/step-00001000 --classes
)";
  if (command == "bench")
    return R"(Images per second of whole training steps. Rounds over all measurements alternate, and
the median counts, so that a busy machine slows all alike.

Examples:
  troupe bench
  troupe bench --models cnn --batch 32,128 --replicas 1,2 --repeat 9
  troupe bench --peers ../peers                    ratios to PyTorch, measured in the same rounds
)";
  if (command == "keys")
    return R"(Keys of nodes, which encrypt what passes between machines and say who may join.
Without an option it lists them.

Examples:
  troupe keys --make worker-1                        keys/worker-1.public and keys/worker-1.secret
  troupe keys --allow worker-1.public --nodes 1-4    it may be node 1, 2, 3 or 4
  troupe keys --forbid worker-1
  troupe keys

A .secret file stays on its machine, readable by its owner alone. The .public files and the list
(keys/trusted) are no secrets, and every node has the list.
)";
  if (command == "launch")
    return R"(Runs a program as N processes of one job on this machine. A node that dies is started
again at once; if it keeps dying young, after 5 ms, 10 ms, ... 10 s. Node 0 writes to the terminal,
the others to files. When node 0 ends by itself the job ends, with its exit code.

Examples:
  troupe launch -n 4 -- ./driver --epochs 3
  troupe launch -n 4 --over tcp -- troupe train
  troupe launch -n 4 --keys keys --restarts 100 -- ./driver
  troupe launch slurm --nodes 4 -- ./driver          on four machines (troupe launch slurm --help)

Ctrl-C: node 0 saves and ends the job; twice: all nodes end now. Nothing outlives the launch.
Exit codes: 0 done, that of node 0 if it failed, 1 a node died too often, 2 usage, 130 interrupted.
A program learns its place from TROUPE_RANK, TROUPE_WORLD, TROUPE_COORDINATOR and the like
(docs/launching.md).
)";
  if (command == "launch-slurm")
    return R"(Writes a batch file that runs a program as one job on several machines, and
submits it. Each task is a troupe node, so one that dies is replaced inside the allocation.

Examples:
  troupe launch slurm --nodes 4 -- ./driver --epochs 3
  troupe launch slurm --nodes 4 --print -- ./driver     the batch file, to read and to edit
  troupe launch slurm -n 2 --per-machine 4 --cores 8 --time 02:00:00 --requeue -- ./driver
)";
  if (command == "node")
    return R"(Runs a program as one node of a job, and starts it again when it dies; node 0 is not
restarted, and its end ends the job. Which node of how many it is, and where the others are met, is
taken from the options, else from the environment: Troupe's own variables, torchrun, mpirun, Slurm,
PMIx, Kubernetes, in this order (docs/launching.md; troupe doctor shows what there is).

Examples:
  troupe node --join tcp://gpu-a:5555 --number 3 --nodes 4 --keys keys/node-3.secret -- ./driver
  srun -n 4 troupe node --keys keys/ -- ./driver
)";
  if (command == "top")
    return R"(Shows a job while it goes: steps, loss and speed; its nodes, and since when one is
missing; the links between them, the worst first. It reads the files of the run folder, and touches
nothing.

Examples:
  troupe top                                       the newest job below runs/
  troupe top runs/2026-01-31-fashion-mnist-cnn-1
  troupe top --once                                a frame as text, also where output is no terminal
  troupe top --json                                the same as one JSON object

q or Ctrl-C ends it; the job goes on. docs/top.md says what the columns mean.
)";
  if (command == "why")
    return R"(Asks a job that trains now who waits for what, and who is to blame: an actor that
is down or does not come back from a handler, a node that does not answer, a deadlock. The answer
comes within a second, whoever is stuck.

Examples:
  troupe why                                       the newest job below runs/
  troupe why runs/2026-01-31-fashion-mnist-cnn-1
  troupe why --watch                               once a second, until Ctrl-C
  troupe why --dot | dot -Tsvg > waits.svg         everybody, and each wait an arrow
  troupe why --json                                the same as one JSON object

docs/why.md says how to read it. It works on the machine of node 0, for the user of the job.
)";
  if (command == "kill")
    return R"(Kills an actor of a job that trains now, at its next message. Its supervisor starts it
again, and the result of a synchronous job does not change by a bit.

Examples:
  troupe kill layer_shard/1/0
  troupe kill parameter_holder/0 runs/2026-01-31-fashion-mnist-cnn-1
)";
  if (command == "inject")
    return R"(Lets something go wrong in a job that trains now: at once, after a time, after so many
steps of the job, or again and again.

Examples:
  troupe inject "slow layer_shard/1 x4"
  troupe inject "step 200 pause 0 for 2 s"
  troupe inject "5/s kill layer_shard/0" runs/2026-01-31-fashion-mnist-cnn-1

docs/faults.md says what there is. The run writes down what happened: faults.toml in its folder.
)";
  if (command == "chaos")
    return R"(Kills random actors of a job that trains now, again and again, until Ctrl-C; then
tells how many of which kind died, and how long it took until their successors were ready. The
result of a synchronous job does not change by a bit.

Examples:
  troupe chaos
  troupe chaos --rate 10/s --for "30 s"
  troupe chaos --kill director runs/2026-01-31-fashion-mnist-cnn-1
)";
  if (command == "drain")
    return R"(Lets a node leave a job that trains now: its actors go on on other nodes, and when
it has none its process ends, with code 0. The result of a synchronous job does not change by a bit.
A process that is started with its number is taken in again, and gets its actors back.

Examples:
  troupe drain 2
  troupe drain 2 runs/2026-01-31-fashion-mnist-cnn-1
)";
  if (command == "stop")
    return R"(Ends a job that trains now: what has begun is finished and saved, as after Ctrl-C.

Examples:
  troupe stop
  troupe stop runs/2026-01-31-fashion-mnist-cnn-1
)";
  return "What this machine has.\n";
}

// "instruction set: AVX-512" -> "AVX-512"; "oneDNN 2.6.3, one thread ..." -> "oneDNN 2.6.3";
// "own kernels (Winograd ...): on" -> "own kernels: on".
std::string short_form(std::string line) {
  const std::string prefix = "instruction set: ";
  if (line.rfind(prefix, 0) == 0) line.erase(0, prefix.size());
  const auto open = line.find(" ("), close = line.find(')');
  if (open != std::string::npos && close != std::string::npos && close > open)
    line.erase(open, close - open + 1);
  return line.substr(0, line.find(','));
}

class examples_first : public CLI::Formatter {
public:
  explicit examples_first(std::string command) : command_(std::move(command)) { column_width(38); }

  std::string make_description(const CLI::App*) const override {
    return examples_of(command_) + "\n";
  }

  // A flag is shown as --[no-]name.
  std::string make_option_name(const CLI::Option* option, bool positional) const override {
    if (option->get_items_expected_max() > 0 || option->get_lnames().size() < 2)
      return Formatter::make_option_name(option, positional);
    return "--[no-]" + option->get_lnames().front();
  }

private:
  std::string command_;
};

} // namespace

std::string command_summary(const std::string& command) {
  const auto at = summaries().find(command);
  return at == summaries().end() ? "" : at->second;
}

std::shared_ptr<CLI::FormatterBase> help_formatter(const std::string& command) {
  return std::make_shared<examples_first>(command);
}

std::string version_text() {
  return "troupe " TROUPE_VERSION;
}

std::string header_text() {
#if defined(__clang__)
  std::string out =
      fmt::format("{}  clang {}.{}", version_text(), __clang_major__, __clang_minor__);
#else
  std::string out = fmt::format("{}  gcc {}.{}", version_text(), __GNUC__, __GNUC_MINOR__);
#endif
  for (const std::string& line : describe_cpu_backend())
    out += "  " + short_form(line);
  return out;
}

} // namespace troupe::cli
