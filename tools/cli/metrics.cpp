#include "cli/metrics.hpp"

#include "cli/figures_json.hpp"
#include "cli/mistakes.hpp"
#include "ops/digest.hpp"

#include <nlohmann/json.hpp>

#include <cerrno>
#include <cstring>
#include <utility>
#include <variant>

namespace troupe::cli {

namespace {

using json = nlohmann::ordered_json;

std::string line_of(const json& object) {
  return object.dump(-1, ' ', false, json::error_handler_t::replace);
}

json bound_json(std::uint64_t bound) {
  return bound == no_bound ? json(nullptr) : json(bound);
}

// The first microbatch and how many, by replica; null where the wiring says it all.
json json_of(const std::vector<replica_share>& shares) {
  json out;
  for (const auto& s : shares)
    out[std::to_string(s.replica)] = {s.run.first, s.run.count};
  return out;
}

json json_of(const step_event& e) {
  return {{"event", "step"},
          {"step", e.step},
          {"loss", e.loss},
          {"accuracy", e.accuracy},
          {"seconds", e.seconds},
          {"staleness", e.staleness},
          {"lead", e.lead},
          {"lead_bound", bound_json(e.lead_bound)},
          {"shares", json_of(e.shares)},
          {"overtaken", e.overtaken},
          {"reports_lost", e.reports_lost},
          {"digest", digest_text(e.digest)}};
}

json json_of(const epoch_event& e) {
  return {{"event", "epoch"},
          {"epoch", e.epoch},
          {"train_loss", e.train_loss},
          {"train_accuracy", e.train_accuracy},
          {"test_loss", e.test_loss},
          {"test_accuracy", e.test_accuracy},
          {"validation_loss", e.validation_loss},
          {"validation_accuracy", e.validation_accuracy},
          {"images_per_second", e.images_per_second},
          {"digest", digest_text(e.digest)}};
}

json json_of(const fault_event& e) {
  return {{"event", "fault"},
          {"who", e.who.text()},
          {"incarnation", e.now},
          {"step", e.step},
          {"reason", e.reason},
          {"recovery_ms", e.recovery_ms}};
}

json json_of(const rollback_event& e) {
  return {{"event", "rollback"},
          {"step", e.step},
          {"to", e.to},
          {"checkpoint", e.checkpoint},
          {"reason", e.reason}};
}

json json_of(const injection_event& e) {
  return {{"event", "injected"}, {"fault", text(e)}, {"step", e.step}, {"seconds", e.seconds}};
}

json json_of(const std::optional<double>& number) {
  return number ? json(*number) : json(nullptr);
}

json json_of(const std::vector<fault_record>& all) {
  auto out = json::array();
  for (const fault_record& r : all)
    out.push_back({{"fault", text(r)},
                   {"step", r.step},
                   {"seconds", r.seconds},
                   {"detection_ms", json_of(r.detection_ms)},
                   {"recovery_ms", json_of(r.recovery_ms)},
                   {"next_step_ms", json_of(r.next_step_ms)},
                   {"recomputed_ms", r.cost.recomputed_ms},
                   {"resent_bytes", r.cost.resent_bytes}});
  return out;
}

json json_of(const saved_event& e) {
  json out = {{"event", "saved"}, {"path", e.path}, {"step", e.step}};
  if (!e.problem.empty()) out["problem"] = e.problem;
  return out;
}

json json_of(const node_event& e) {
  static constexpr const char* kinds[] = {"waiting", "up", "down", "refused"};
  return {{"event", "node"},
          {"what", kinds[static_cast<std::size_t>(e.what)]},
          {"nodes", e.nodes},
          {"text", e.text}};
}

json json_of(const stalled_event& e) {
  return {{"event", "stalled"}, {"step", e.step}, {"seconds", e.seconds}, {"text", e.text}};
}

json json_of(const links_event& e) {
  json out = {{"event", "links"}};
  out.update(figures_json(e));
  return out;
}

json json_of(const std::vector<credit_use>& all) {
  json out = json::array();
  for (const credit_use& u : all)
    out.push_back({{"edge", credit_text(u.kind)},
                   {"from", u.from.text()},
                   {"to", u.to.text()},
                   {"bound", bound_json(u.bound)},
                   {"used", u.used},
                   {"kept", u.kept()}});
  return out;
}

json json_of(const staleness_count& s) {
  if (s.empty()) return nullptr;
  return {{"mean", s.mean()}, {"most", s.most}, {"updates", s.updates}, {"lead", s.lead}};
}

json json_of(const std::vector<memory_comparison>& all) {
  if (all.empty()) return nullptr;
  json out = json::array();
  for (const auto& c : all)
    out.push_back({{"who", c.measured.where.text()},
                   {"in_flight", c.measured.in_flight},
                   {"in_flight_predicted", c.predicted.in_flight},
                   {"bytes", c.measured.program_bytes},
                   {"bytes_predicted", c.predicted.program_bytes}});
  return out;
}

std::ofstream opened(const std::string& path, const std::string& where, bool append) {
  std::ofstream out(path, append ? std::ios::app : std::ios::trunc);
  if (!out)
    throw mistakes({.what = "cannot write " + path,
                    .where = where,
                    .why = std::strerror(errno), // NOLINT(concurrency-mt-unsafe): one thread
                    .help = "choose a path in a folder that exists and that you may write"},
                   exit_environment);
  return out;
}

} // namespace

std::string json_line(const start_facts& f) {
  return line_of({{"event", "start"},
                  {"version", f.version},
                  {"model", f.model},
                  {"data", f.data},
                  {"train_images", f.train_images},
                  {"wiring", f.wiring},
                  {"replicas", f.replicas},
                  {"batch", f.batch},
                  {"microbatches", f.microbatches},
                  {"steps", f.steps},
                  {"islands", f.islands},
                  {"optimizer", f.optimizer},
                  {"learning_rate", f.learning_rate},
                  {"seed", f.seed}});
}

std::string json_line(const run_event& e) {
  return line_of(std::visit([](const auto& event) { return json_of(event); }, e));
}

std::string end_json(const run_result& r, const std::vector<memory_comparison>& memory) {
  json out = {{"event", "end"},
              {"test_accuracy", r.test_accuracy},
              {"test_loss", r.test_loss},
              {"train_loss", r.train_loss},
              {"train_accuracy", r.train_accuracy},
              {"images_per_second", r.images_per_second},
              {"seconds", r.seconds},
              {"steps", r.steps},
              {"epochs", r.epochs},
              {"restarts", r.restarts},
              {"rollbacks", r.rollbacks},
              {"faults", json_of(r.faults)},
              {"staleness", json_of(r.staleness)},
              {"credit", json_of(r.credit)},
              {"shares", json_of(r.shares)},
              {"overtaken", r.overtaken},
              {"peak_memory_bytes", r.peak_memory_bytes},
              {"memory", json_of(memory)},
              {"parameter_digest", digest_text(r.parameter_digest)},
              {"interrupted", r.interrupted}};
  if (!r.tested) out["test_accuracy"] = out["test_loss"] = nullptr;
  return line_of(out);
}

std::string failed_json(const std::string& why) {
  return line_of({{"event", "failed"}, {"why", why}});
}

std::string log_json(double seconds, const std::string& message) {
  return line_of({{"seconds", seconds}, {"message", message}});
}

metrics::metrics(std::string path, const run_folder& folder, bool append, std::int64_t digest_every)
    : path_(std::move(path)), folder_(folder), append_(append), digest_every_(digest_every) {}

void metrics::begin() {
  const std::lock_guard hold(mutex_);
  if (!path_.empty()) files_.emplace(kind::metrics, opened(path_, "--metrics " + path_, append_));
  if (folder_.kept())
    for (const auto& [to, name] : {std::pair{kind::metrics, "metrics.jsonl"},
                                   std::pair{kind::events, "events.jsonl"},
                                   std::pair{kind::log, "log.jsonl"}})
      files_.emplace(to, opened(folder_.file(name), "the run folder", true));
  begun_ = true;
  for (const auto& [to, line] : std::exchange(waiting_, {}))
    put(to, line);
}

void metrics::put(kind to, const std::string& line) {
  if (!begun_) waiting_.emplace_back(to, line);
  for (auto [file, end] = files_.equal_range(to); file != end; ++file)
    file->second << line << '\n' << std::flush;
}

void metrics::write(const run_event& e) {
  const auto* step = std::get_if<step_event>(&e);
  if (step != nullptr && (digest_every_ <= 0 || step->step % digest_every_ != 0)) return;
  write_line(json_line(e), step == nullptr && !std::holds_alternative<links_event>(e));
}

void metrics::write_line(const std::string& line, bool event) {
  const std::lock_guard hold(mutex_);
  put(kind::metrics, line);
  if (event) put(kind::events, line);
}

void metrics::log(double seconds, const std::string& message) {
  const std::lock_guard hold(mutex_);
  put(kind::log, log_json(seconds, message));
}

} // namespace troupe::cli
