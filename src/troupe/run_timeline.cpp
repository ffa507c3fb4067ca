#include "troupe/run_timeline.hpp"

#include "ops/files/atomic_file.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

namespace troupe {

run_timeline::run_timeline(const wiring& w, timeline_options options) : options_(options) {
  const int nodes = options.nodes > 0 ? options.nodes : w.nodes();
  for (const auto& role : w.roles)
    nodes_[role.where] = role.node % nodes;
}

void run_timeline::heard(const heard_message& m) {
  const std::lock_guard lock(mutex_);
  add({m.when,
       m.until,
       message_entry{m.from, m.to, m.content->index(), step_of(*m.content), m.copy, m.sent}});
  note_message(m);
}

void run_timeline::computed(const computed_work& w) {
  const std::lock_guard lock(mutex_);
  add({w.from, w.until, w});
}

void run_timeline::note_message(const heard_message& m) {
  if (const auto* dead = std::get_if<protocol::down>(m.content)) {
    add({m.sent, m.sent, note{dead->who, "died: " + dead->reason}});
  } else if (m.to.role != role_kind::recorder) {
    return;
  } else if (const auto* back = std::get_if<protocol::restarted>(m.content)) {
    add({m.sent, m.sent, note{back->who, fmt::format("is back, incarnation {}", back->life)}});
  } else if (const auto* step = std::get_if<protocol::step_committed>(m.content)) {
    add({m.sent, m.sent, note{{}, fmt::format("step {} committed", step->step)}});
    commits_.push_back(m.when);
  }
}

void run_timeline::add(entry e) {
  entries_.push_back(std::move(e));
  while (entries_.size() > options_.entries_max)
    entries_.pop_front();
  while (commits_.size() > static_cast<std::size_t>(std::max(options_.steps, 1)) + 1)
    commits_.pop_front();
  if (commits_.size() <= static_cast<std::size_t>(std::max(options_.steps, 1))) return;
  while (!entries_.empty() && entries_.front().until < commits_.front())
    entries_.pop_front();
}

// Writes one timeline down.
class timeline_text {
public:
  explicit timeline_text(const run_timeline& of) : of_(of) {}

  std::string text() {
    const auto order = sorted();
    for (const auto* e : order)
      if (const auto* m = std::get_if<run_timeline::message_entry>(&e->what))
        tracks_of(m->to).heard.emplace_back(e->from, e->until);
    for (const auto* e : order)
      std::visit([&](const auto& what) { write(*e, what); }, e->what);
    name_tracks();
    return "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n" + out_ + "\n]}\n";
  }

private:
  using entry = run_timeline::entry;
  using time = run_timeline::time;

  static constexpr int tracks_max = 32; // of an actor

  struct actor_tracks {
    int number = 0;
    std::vector<std::pair<time, time>> heard; // from, until
    std::vector<time> busy_until;             // of what it computes at once

    // An arrow begins in something.
    [[nodiscard]] bool handled_something_at(time t) const {
      const auto after = std::upper_bound(
          heard.begin(), heard.end(), t, [](time a, const auto& b) { return a < b.first; });
      return after != heard.begin() && t <= std::prev(after)->second;
    }
  };

  // Whatever contains something comes first.
  std::vector<const entry*> sorted() const {
    std::vector<const entry*> out;
    out.reserve(of_.entries_.size());
    for (const auto& e : of_.entries_)
      out.push_back(&e);
    std::stable_sort(out.begin(), out.end(), [](const entry* a, const entry* b) {
      return a->from != b->from ? a->from < b->from : a->until > b->until;
    });
    return out;
  }

  static double microseconds(time t) {
    return std::chrono::duration<double, std::micro>(t).count();
  }

  actor_tracks& tracks_of(const address& who) {
    const auto [found, fresh] = tracks_.try_emplace(who);
    if (fresh) found->second.number = static_cast<int>(tracks_.size()) * tracks_max;
    return found->second;
  }

  [[nodiscard]] int node_of(const address& who) const {
    const auto found = of_.nodes_.find(who);
    return found == of_.nodes_.end() ? 0 : found->second;
  }

  template <class... Arguments>
  void line(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
    if (!out_.empty()) out_ += ",\n";
    fmt::format_to(std::back_inserter(out_), format, std::forward<Arguments>(arguments)...);
  }

  // What computations say to their actor, and what was said by one that just began, has no arrow.
  void write(const entry& e, const run_timeline::message_entry& m) {
    const auto& to = tracks_of(m.to);
    const auto length = std::max(e.until - e.from, time{1}); // an arrow ends in something
    line(R"({{"ph":"X","cat":"message","name":"{}","pid":{},"tid":{},"ts":{:.3f},"dur":{:.3f},)"
         R"("args":{{"from":"{}"{}{},"sent":{:.3f}}}}})",
         message_name(m.kind),
         node_of(m.to),
         to.number,
         microseconds(e.from),
         microseconds(length),
         m.from.text(),
         m.step ? fmt::format(R"(,"step":{})", *m.step) : "",
         m.copy ? R"(,"copy":true)" : "",
         microseconds(m.sent));
    if (m.from == m.to) return;
    const auto& from = tracks_of(m.from);
    if (!from.handled_something_at(m.sent)) return;
    ++arrows_;
    arrow("s", m.from, from.number, m.sent);
    arrow(R"(f","bp":"e)", m.to, to.number, e.from);
  }

  void arrow(const char* phase, const address& who, int track, time when) {
    line(R"({{"ph":"{}","cat":"message","name":"sent","id":{},"pid":{},"tid":{},"ts":{:.3f}}})",
         phase,
         arrows_,
         node_of(who),
         track,
         microseconds(when));
  }

  // What an actor computes at once is on tracks of its own.
  void write(const entry& e, const computed_work& w) {
    auto& of = tracks_of(w.who);
    auto free = std::find_if(
        of.busy_until.begin(), of.busy_until.end(), [&](time t) { return t <= e.from; });
    if (free == of.busy_until.end() && of.busy_until.size() + 1 < tracks_max)
      free = of.busy_until.insert(free, time{0});
    const auto track = std::min<std::ptrdiff_t>(free - of.busy_until.begin(), tracks_max - 2);
    of.busy_until[static_cast<std::size_t>(track)] = e.until;
    line(R"({{"ph":"X","cat":"compute","name":"{}{}","pid":{},"tid":{},"ts":{:.3f},"dur":{:.3f},)"
         R"("args":{{"step":{},"part":{},"amount":{}}}}})",
         work_name(w.what.kind),
         w.what.which >= 0 ? fmt::format(" {}", w.what.which) : "",
         node_of(w.who),
         of.number + 1 + static_cast<int>(track),
         microseconds(e.from),
         microseconds(e.until - e.from),
         w.step,
         w.what.part,
         w.what.amount);
  }

  void write(const entry& e, const run_timeline::note& n) {
    if (!n.of) {
      line(R"({{"ph":"i","s":"g","cat":"step","name":"{}","pid":0,"tid":0,"ts":{:.3f}}})",
           n.text,
           microseconds(e.from));
      return;
    }
    const auto& of = tracks_of(*n.of);
    line(R"({{"ph":"i","s":"p","cat":"life","name":{},"pid":{},"tid":{},"ts":{:.3f}}})",
         nlohmann::json(n.of->text() + " " + n.text)
             .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace),
         node_of(*n.of),
         of.number,
         microseconds(e.from));
  }

  void name_tracks() {
    std::map<int, bool> named;
    for (const auto& [who, of] : tracks_) {
      const int node = node_of(who);
      if (!std::exchange(named[node], true))
        line(R"({{"ph":"M","name":"process_name","pid":{0},"args":{{"name":"node {0}"}}}})", node);
      name_track(node, of.number, who.text() + " hears");
      for (std::size_t i = 0; i < of.busy_until.size(); ++i)
        name_track(
            node,
            of.number + 1 + static_cast<int>(i),
            fmt::format("{} computes{}", who.text(), i > 0 ? fmt::format(" {}", i + 1) : ""));
    }
  }

  void name_track(int node, int track, const std::string& name) {
    line(R"({{"ph":"M","name":"thread_name","pid":{},"tid":{},"args":{{"name":"{}"}}}})",
         node,
         track,
         name);
    line(R"({{"ph":"M","name":"thread_sort_index","pid":{},"tid":{},"args":{{"sort_index":{}}}}})",
         node,
         track,
         sorted_++);
  }

  const run_timeline& of_;
  std::string out_;
  std::map<address, actor_tracks> tracks_;
  std::uint64_t arrows_ = 0;
  int sorted_ = 0; // tracks, by address
};

std::string run_timeline::json() const {
  const std::lock_guard lock(mutex_);
  return timeline_text(*this).text();
}

void run_timeline::write(const std::string& path) const {
  const auto text = json();
  write_file_atomically(path, path.ends_with(".gz") ? gzip_of(text) : text);
}

} // namespace troupe
