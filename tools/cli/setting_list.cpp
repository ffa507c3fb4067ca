#include "cli/settings.hpp"

#include <algorithm>
#include <thread>

namespace troupe::cli {

namespace {

using enum setting_kind;

std::string default_replicas() {
  return std::to_string(std::clamp(std::thread::hardware_concurrency(), 1U, 2U));
}

// Tables, one row a setting: group, name, what its value is called, default, help, kind.
setting_list model_and_data() {
  const std::string g = "Model and data";
  return {
      {g, "model", "NAME", "cnn", "lenet, cnn, resnet20 or mlp"},
      {g,
       "data",
       "DATA",
       "fashion-mnist",
       "fashion-mnist, synthetic[:N], a folder with IDX or CIFAR-10 binary files, or "
       "idx:TRAIN_IMAGES,TRAIN_LABELS,TEST_IMAGES,TEST_LABELS"},
      {g,
       "slice",
       "LAYER:N",
       "",
       "cut a dense or convolution layer into N slices, e.g. 0:2; same slices, same bits, "
       "wherever they are computed; may be repeated",
       text,
       true},
      {g,
       "augment",
       "LIST",
       "",
       "flip, shift[:N], crop[:N] (pad by N, 2 by default), normalise",
       list},
      {g, "validation", "FRACTION", "0", "part of the training images that is held out", number},
      {g, "shuffle", "", "true", "--no-shuffle: the file's order", flag},
      {g, "balanced-sampling", "", "false", "every class equally often", flag},
  };
}

setting_list job_length() {
  const std::string g = "Length";
  return {
      {g, "epochs", "N", "5", "passes over the training images", number},
      {g, "steps", "N", "0", "stop after N steps, whatever --epochs says; 0: no", number},
      {g, "batch", "N", "128", "images a step", number},
      {g, "seed", "N", "1", "of weights, order, augmentation and dropout", number},
  };
}

setting_list learning() {
  const std::string g = "Learning";
  return {
      {g, "optimizer", "NAME", "sgd", "sgd, adam or adamw"},
      {g, "learning-rate", "RATE", "0.1", "at its highest", number},
      {g, "schedule", "NAME", "cosine", "constant, step or cosine"},
      {g, "warmup", "STEPS", "200", "steps over which the rate rises from 0", number},
      {g, "milestones", "STEPS", "", "steps at which --schedule step lowers the rate", list},
      {g, "gamma", "FACTOR", "0.1", "what --schedule step multiplies the rate by", number},
      {g, "momentum", "M", "0.9", "of sgd", number},
      {g, "nesterov", "", "true", "Nesterov's momentum, of sgd; --no-nesterov: classic", flag},
      {g, "weight-decay", "W", "0.0005", "", number},
      {g, "beta1", "B", "0.9", "of adam and adamw", number},
      {g, "beta2", "B", "0.999", "of adam and adamw", number},
      {g, "label-smoothing", "S", "0", "0 <= S < 1", number},
      {g, "class-weights", "LIST", "", "one weight a class, or: balanced", list},
      {g,
       "compress",
       "CODEC",
       "none",
       "gradients cross as fp16, bf16, int8, 1-bit or \"top-k 0.01\"; for slow links; part of the "
       "job: same codec, same bits, any wiring"},
      {g,
       "compress-microbatches",
       "N",
       "1",
       "microbatches whose summed gradient is one payload: more of them, less traffic",
       number},
  };
}

setting_list who_computes() {
  const std::string g = "Wiring";
  return {
      {g,
       "topology",
       "NAME",
       "data-parallel",
       "data-parallel: each replica has the whole model; pipeline: one replica, cut into stages, "
       "where a model or its activations are too large for one node; parameter-server: replicas "
       "are "
       "workers, holders are servers, see --consistency; hybrid: replicas of pipelines"},
      {g,
       "replicas",
       "N",
       default_replicas(),
       "copies of the model that train side by side",
       number},
      {g, "microbatches", "N", "2", "parts of a batch; same number, same bits, any wiring", number},
      {g, "holders", "N", "0", "actors that share the parameters; 0: one a layer shard", number},
      {g,
       "holder-copies",
       "N",
       "1",
       "of each of them, so many keep the same parameters: N - 1 may be lost at once, with their "
       "nodes, and nothing is lost; 1: none may",
       number},
      {g,
       "groups",
       "N",
       "0",
       "groups of replicas, e.g. one a machine, that add up their gradients before they send them "
       "on: less traffic between the groups, same bits; 0: none",
       number},
      {g,
       "balance",
       "",
       "false",
       "deal each step's microbatches in proportion to the measured speed of the replicas, where "
       "they are unequal: same bits; use four microbatches a replica or more",
       flag},
      {g,
       "backups",
       "N",
       "0",
       "N more replicas compute what the slowest do, and the first one counts: same bits; where "
       "replicas are slow now and then, and there are cores to spare",
       number},
      {g,
       "merge-layers",
       "BYTES",
       "262144",
       "small layers are sent and held together up to this size: fewer messages, the first later",
       number},
      {g,
       "split-layers",
       "BYTES",
       "0",
       "cut layers above this size among holders, where one layer outweighs the rest; 0: no",
       number},
      {g,
       "spread-slices",
       "",
       "false",
       "slices of layers (--slice) on layer shards of their own: for layers too large for a node",
       flag},
      {g, "device", "NAME", "cpu", "cpu, cuda:0, or several, that layer shards compute on in turn"},
      {g, "threads", "N", "0", "threads that compute; 0: one a layer shard", number},
      {g, "move-after", "TIME", "", "actors of a node that is away for so long go on elsewhere"},
      {g,
       "wiring",
       "FILE",
       "",
       "play the wiring of this file (troupe wiring saves it); no other option of who computes"},
      {g,
       "kill",
       "ROLE@step=N",
       "",
       "kill an actor in step N, e.g. layer_shard/1/0@step=30[,message=K][,call=C] "
       "(docs/faults.md); "
       "may be repeated",
       text,
       true},
      {g,
       "inject",
       "TEXT",
       "",
       "what goes wrong, and when: \"step 20 pause 0\", \"2/s kill any\", \"30 ms drop 0->1\" "
       "(docs/faults.md); may be repeated",
       text,
       true},
      {g,
       "faults",
       "FILE",
       "",
       "faults of a file, e.g. the faults.toml of an earlier run's folder; may be repeated",
       text,
       true},
      {g,
       "slow",
       "ROLE@xFACTOR",
       "",
       "an actor whose kernels take FACTOR times as long, e.g. layer_shard/1@x4; may be repeated",
       text,
       true},
      {g,
       "dial",
       "KIND[:ROLE]=N[@step=N]",
       "",
       "credit of all edges of a kind or of one actor, from a step on: prefetch=4 (steps of "
       "batches "
       "asked for ahead, where data come late), depth:layer_shard/0/1=1@step=50 (microbatches in "
       "flight), staleness=8 (lead of workers); may be repeated",
       text,
       true},
  };
}

setting_list how_pipelined() {
  const std::string g = "Pipeline (--topology pipeline or hybrid)";
  return {
      {g, "stages", "N", "", "layer shards that a replica's model is cut into; default: 2", number},
      {g,
       "chunks",
       "N",
       "",
       "parts a stage, for --pipeline interleaved: shorter bubbles, more messages; default: 1 "
       "(interleaved: 2)",
       number},
      {g,
       "pipeline",
       "NAME|FILE",
       "",
       "order of computing: gpipe, 1f1b (the default: fewest activations), interleaved, "
       "zero-bubble "
       "(least waiting), or a file with your own"},
      {g,
       "cut",
       "LIST",
       "",
       "the pieces with which the parts after the first begin, e.g. 3,6 (troupe wiring lists "
       "them); counted (the default): equal FLOPs; measured: equal times on this machine",
       list},
      {g,
       "recompute",
       "",
       "false",
       "compute activations again before backward: less memory, a third more time",
       flag},
      {g,
       "stash-weights",
       "",
       "false",
       "asynchronous 1F1B (PipeDream): no bubble; stage s trains with weights that are stages-1-s "
       "steps old, so the result depends on --stages and --cut",
       flag},
  };
}

setting_list how_consistent() {
  const std::string g = "Consistency (--topology parameter-server or hybrid)";
  return {
      {g,
       "consistency",
       "NAME",
       "",
       "bsp: replicas share each batch, same bits as any wiring; ssp:N: each replica has batches "
       "of its own and is at most N ahead of the slowest; asp: nobody waits (the default of "
       "parameter-server)"},
      {g,
       "staleness-aware",
       "",
       "false",
       "divide an update's learning rate by the updates that it did not see; for asp with many "
       "workers",
       flag},
      {g,
       "delay-compensation",
       "LAMBDA",
       "0",
       "DC-ASGD: correct gradients for parameters that have moved since, e.g. 0.04",
       number},
  };
}

setting_list how_islands() {
  const std::string g = "Islands (local SGD, DiLoCo)";
  return {
      {g,
       "islands",
       "N",
       "0",
       "runs of microbatches that train apart, each by the optimizer above, and meet in outer "
       "steps: a fraction of the traffic between them; part of the job; 0: none",
       number},
      {g, "outer-every", "STEPS", "8", "steps between two outer steps", number},
      {g,
       "outer-rate",
       "RATE",
       "0.7",
       "of the outer step along the mean of what the islands have gone; 1 without momentum: their "
       "mean",
       number},
      {g, "outer-momentum", "M", "0.9", "Nesterov's, of outer steps; 0: none (local SGD)", number},
  };
}

setting_list files() {
  const std::string g = "Files";
  return {
      {g, "load", "FILE", "", "start from these weights (safetensors, PyTorch's names)"},
      {g, "save", "FILE", "", "write the weights at the end"},
      {g,
       "resume",
       "PATH",
       "",
       "go on from a checkpoint, or from the newest valid one of a run folder",
       text,
       false,
       false},
      {g,
       "checkpoint-every",
       "STEPS",
       "0",
       "0: at the end of each epoch; training goes on while it is saved",
       number},
      {g,
       "run-folder",
       "FOLDER",
       "",
       "default: runs/<date>-<data>-<model>-<k>; none: keep nothing",
       text,
       false,
       false},
      {g, "metrics", "FILE", "", "one JSON object a line; the last is the \"end\""},
      {g,
       "digest-every",
       "STEPS",
       "50",
       "a \"step\" line with the parameters' digest; 0: none",
       number},
  };
}

setting_list timeline_settings(const std::string& g) {
  return {
      {g,
       "timeline",
       "FILE",
       "",
       "who computed, heard and said what, and when, as trace events (.json or .json.gz): open it "
       "in ui.perfetto.dev or chrome://tracing",
       text,
       false,
       false},
      {g, "timeline-steps", "N", "20", "so many steps are in it, the last ones", number},
  };
}

setting_list screen_settings() {
  const std::string g = "Screen";
  return {
      {g, "quiet", "", "false", "no progress", flag},
      {g, "json", "", "false", "print the \"end\" object instead of the table", flag},
  };
}

setting_list together(std::initializer_list<setting_list> lists) {
  setting_list out;
  for (const setting_list& one : lists)
    out.insert(out.end(), one.begin(), one.end());
  return out;
}

// The job and who computes it.
setting_list what_and_who() {
  return together({model_and_data(),
                   job_length(),
                   learning(),
                   who_computes(),
                   how_pipelined(),
                   how_consistent(),
                   how_islands()});
}

} // namespace

setting_list train_settings() {
  return together({what_and_who(), files(), timeline_settings("Files"), screen_settings()});
}

setting_list wiring_settings() {
  const std::string g = "Picture and file";
  return together({{{g,
                     "draw",
                     "FILE",
                     "",
                     "draw it: .svg (needs the package graphviz), .dot or .mmd (Mermaid); may be "
                     "repeated",
                     text,
                     true,
                     false},
                    {g,
                     "save-wiring",
                     "FILE",
                     "",
                     "write it as JSON, to edit and play with --wiring",
                     text,
                     false,
                     false},
                    {g, "schedule-chart", "", "false", "show when each stage computes what", flag},
                    {g, "supervision", "", "false", "show who supervises whom, and how", flag},
                    {g,
                     "draw-supervision",
                     "FILE",
                     "",
                     "draw who supervises whom: .svg, .dot or .mmd; may be repeated",
                     text,
                     true,
                     false}},
                   train_settings()});
}

setting_list simulate_settings() {
  const std::string g = "Simulated cluster";
  setting_list out = {
      {g, "nodes", "N", "0", "put the wiring's nodes on N; 0: as many as it has", number},
      {g,
       "node",
       "TEXT",
       "",
       "how nodes are, e.g. \"2x slower, 4 cores, 25 Gbit/s, 8 GB\"; of one node: \"3: 2x "
       "slower\"; may "
       "be repeated (2 cores, a port as wide as a link, any memory)",
       text,
       true},
      {g,
       "link",
       "TEXT",
       "",
       "how links are, e.g. \"1 ms, 10 Gbit/s, jitter 200 us, loss 1 %\"; of one: \"0->1: 20 ms\"; "
       "may be repeated (no latency, any bandwidth)",
       text,
       true},
      {g,
       "racks",
       "TEXT",
       "",
       "nodes in each, the bandwidth of its uplink and the latency between racks, e.g. \"40 nodes, "
       "100 Gbit/s, 2 us\" (no racks)"},
      {g, "event", "TEXT", "", "e.g. \"30 ms kill layer_shard/1\"; may be repeated", text, true},
      {g, "scenario", "FILE", "", "cluster and events as TOML; options go before it"},
      {g,
       "failures",
       "N per TIME",
       "",
       "actors die at random, so many in so much virtual time on average, e.g. \"1 per 500 ms\" or "
       "\"2 per 1 s of layer_shard\"; goodput tells what it costs"},
      {g, "world-seed", "N", "1", "of everything that could happen otherwise", number},
      {g,
       "any-order",
       "",
       "false",
       "messages linger and computations dawdle at random: to look for faults, not for speed",
       flag},
      {g,
       "machine",
       "FILE",
       "",
       "what nodes are like, their cores too: a profile of troupe calibrate, or written by "
       "hand"},
      {g,
       "costs",
       "NAME",
       "counted",
       "of kernels. counted: by --machine, or FLOPs at --gflops; measured: on this machine "
       "now"},
      {g,
       "gflops",
       "N",
       "100",
       "billions of floating-point operations that a core does a second",
       number},
      {g,
       "timing-only",
       "",
       "false",
       "no mathematics, only sizes and times: for thousands of nodes; losses and digests are void",
       flag},
      {g, "evaluate", "", "false", "the test images after each epoch, too", flag},
      {g, "trace", "FILE", "", "write every message that is heard", text, false, false},
      {g,
       "plot",
       "FILE.svg",
       "",
       "draw step times, utilisation, traffic, staleness and recovery, or the curves of a sweep; a "
       "folder: a file each",
       text,
       false,
       false},
  };
  const std::string sweeps = "Sweeps";
  const setting_list several = {
      {sweeps,
       "sweep",
       "NAME=VALUES",
       "",
       "simulate all values of a setting, by commas: nodes=2,4,...,1024 doubles, 1,2,...,8 counts; "
       "by semicolons where a value has commas: link=\"10 us, 100 Gbit/s; 1 ms, 1 Gbit/s\". "
       "Several sweeps: all combinations. nodes=N grows replicas, workers or stages with the nodes",
       text,
       true,
       false},
      {sweeps,
       "variant",
       "NAME: SETTINGS",
       "",
       "simulate everything with these settings, too: \"grouped: groups=8; holders=4\"; may be "
       "repeated",
       text,
       true,
       false},
      {sweeps,
       "scaling",
       "NAME",
       "weak",
       "of sweeps over nodes. weak: --batch and --microbatches are of one node, and grow with "
       "the nodes; strong: they stay"},
      {sweeps, "at-once", "N", "0", "simulations that run side by side; 0: one a core", number},
  };
  out.insert(out.end(), several.begin(), several.end());
  const setting_list training = what_and_who();
  out.insert(out.end(), training.begin(), training.end());
  const std::string end = "Files and screen";
  out.push_back({end, "load", "FILE", "", "start from these weights"});
  out.push_back({end, "save", "FILE", "", "write the weights at the end"});
  for (const setting_list& more : {timeline_settings(end), screen_settings()})
    for (setting s : more) {
      s.group = end;
      out.push_back(s);
    }
  std::erase_if(out, [](const setting& s) { return s.name == "threads"; });
  for (setting& s : out)
    if (s.name == "steps") s.otherwise = "20";
  return out;
}

setting_list calibrate_settings() {
  const std::string g = "Measurement";
  return {
      {g,
       "out",
       "FILE",
       "",
       "the profile (machine.toml in $XDG_CONFIG_HOME/troupe or ~/.config/troupe)"},
      {g, "models", "LIST", "cnn,lenet,resnet20,mlp", "whose layers are measured", list},
      {g, "images", "LIST", "8,16,32,64,128", "of a microbatch", list},
      {g, "rounds", "N", "5", "of each kernel; medians count", number},
      {g, "seconds", "S", "0.3", "of each measurement besides kernels", number},
  };
}

setting_list eval_settings() {
  const std::string g = "Evaluation";
  return {
      {g, "model", "NAME", "cnn", "lenet, cnn, resnet20 or mlp"},
      {g, "load", "FILE", "", "weights or a checkpoint (safetensors)"},
      {g, "data", "DATA", "fashion-mnist", "as for troupe train; its test images are used"},
      {g, "augment", "LIST", "", "normalise, if the training had it", list},
      {g, "classes", "", "false", "accuracy of each class as well", flag},
      {g, "json", "", "false", "print one JSON object", flag},
  };
}

setting_list bench_settings() {
  const std::string g = "Measurement";
  return {
      {g, "models", "LIST", "lenet,cnn,resnet20", "models to measure", list},
      {g, "batch", "LIST", "128", "images a step, over all replicas", list},
      {g, "replicas", "LIST", "1,2", "", list},
      {g, "seconds", "S", "2", "of each measurement", number},
      {g, "repeat", "N", "5", "rounds over all measurements; the median counts", number},
      {g, "data", "DATA", "fashion-mnist", "as for troupe train"},
      {g, "peers", "FOLDER", "", "also measure PyTorch with FOLDER/train.py, and print ratios"},
      {g, "json", "", "false", "print one JSON object a measurement", flag},
  };
}

setting_list keys_settings() {
  return {{"Keys", "make", "NAME", "", "write a new key: NAME.public and NAME.secret"},
          {"Keys", "allow", "FILE", "", "let the key of a .public file join"},
          {"Keys", "nodes", "LIST", "", "the nodes that it may be, like 3 or 1-4,7 (any)"},
          {"Keys", "forbid", "NAME", "", "take a key out of the list"},
          {"Files", "folder", "FOLDER", "keys", "where key files are"},
          {"Files", "trusted", "FILE", "", "the list of keys that may join (FOLDER/trusted)"}};
}

setting_list top_settings() {
  return {{.group = "Run",
           .name = "run-folder",
           .value = "FOLDER",
           .help = "of the job (the newest below runs/)",
           .bare = true},
          {"Screen", "once", "", "false", "print one frame as text, and end", flag},
          {"Screen", "json", "", "false", "print one JSON object, and end", flag}};
}

setting_list doctor_settings() {
  return {{"Screen", "json", "", "false", "print one JSON object", flag}};
}

} // namespace troupe::cli
