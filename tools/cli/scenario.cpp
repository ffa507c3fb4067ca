#include "cli/scenario.hpp"

#include "cli/cluster_text.hpp"
#include "cli/mistakes.hpp"
#include "troupe/units.hpp"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <climits>
#include <cstdint>
#include <functional>
#include <optional>
#include <tuple>
#include <utility>

namespace troupe::cli {

namespace {

constexpr std::int64_t nodes_max = 1'000'000;

class scenario_reader {
public:
  scenario_reader(const std::string& name,
                  simulated_cluster& to,
                  std::vector<injected_fault>& faults)
      : name_(name), to_(to), faults_(faults) {}

  void read(const toml::table& file) {
    read_keys(
        file,
        {whole("seed", 0, INT64_MAX, [&](auto n) { model().seed = std::uint64_t(n); }),
         flag("any_order",
              [&](bool b) { model().order = b ? exploration::anything : exploration::by_time; }),
         table("node", [&](const auto& t) { read_node(t); }),
         table("link", [&](const auto& t) { read_keys(t, link_keys(model().link)); }),
         table("racks", [&](const auto& t) { read_racks(t); }),
         // Those that differ begin with what holds for all.
         tables("nodes", [&](const auto& t) { some_nodes_.push_back(&t); }),
         tables("links", [&](const auto& t) { some_links_.push_back(&t); }),
         tables("event", [&](const auto& t) { read_event(t); })});
    for (const auto* t : some_nodes_)
      read_some_nodes(*t);
    for (const auto* t : some_links_)
      read_some_links(*t);
  }

  std::vector<error_text> wrong() {
    std::stable_sort(wrong_.begin(), wrong_.end(), [](const auto& a, const auto& b) {
      return a.first < b.first;
    });
    std::vector<error_text> out;
    for (auto& [at, text] : wrong_)
      out.push_back(std::move(text));
    return out;
  }

private:
  struct key_reader {
    std::string name;
    std::function<void(const toml::node&)> read;
  };

  simulation_model& model() { return to_.model; }

  [[nodiscard]] std::string where(const toml::source_region& at) const {
    return fmt::format("{}:{}:{}", name_, at.begin.line, at.begin.column);
  }

  void add(const toml::source_region& at, std::string what, std::string why, std::string help) {
    wrong_.push_back({{at.begin.line, at.begin.column},
                      {.what = std::move(what),
                       .where = where(at),
                       .why = std::move(why),
                       .help = std::move(help)}});
  }

  void read_keys(const toml::table& from, const std::vector<key_reader>& known) {
    std::vector<std::string> names;
    for (const auto& k : known)
      names.push_back(k.name);
    for (const auto& [key, value] : from) {
      const auto found = std::find_if(
          known.begin(), known.end(), [&, k = key.str()](const auto& r) { return r.name == k; });
      if (found != known.end())
        found->read(value);
      else
        add(key.source(),
            fmt::format("'{}' is not known here", key.str()),
            choice_text(names) + " are known",
            suggestion(std::string(key.str()), names, "leave it out"));
    }
  }

  key_reader whole(const std::string& name,
                   std::int64_t least,
                   std::int64_t most,
                   const std::function<void(std::int64_t)>& set) {
    return {name, [=, this](const toml::node& n) {
              const auto* number = n.as_integer();
              if (number != nullptr && number->get() >= least && number->get() <= most)
                return set(number->get());
              add(n.source(),
                  fmt::format("{} is not a number of {} to {}", name, least, most),
                  "a whole number without quotes",
                  fmt::format("{} = {}", name, std::max<std::int64_t>(1, least)));
            }};
  }

  key_reader flag(const std::string& name, const std::function<void(bool)>& set) {
    return {name, [=, this](const toml::node& n) {
              if (const auto* b = n.as_boolean()) return set(b->get());
              add(n.source(), name + " is true or false", "without quotes", name + " = true");
            }};
  }

  // Text in the words of the command line; `parse` says whether it is understood.
  key_reader quantity(const std::string& name,
                      const std::string& example,
                      const std::string& known,
                      const std::function<bool(const std::string&)>& parse) {
    return {name, [=, this](const toml::node& n) {
              const auto help = fmt::format("{} = \"{}\"", name, example);
              const auto* text = n.as_string();
              if (text == nullptr)
                add(n.source(), name + " is text, with its unit", known, help);
              else if (!parse(text->get()))
                add(n.source(),
                    fmt::format("{} '{}' is not understood", name, text->get()),
                    known,
                    help);
            }};
  }

  key_reader
  time(const std::string& name, const std::string& example, std::chrono::nanoseconds& to) {
    return quantity(name,
                    example,
                    fmt::format("a number, 0 or more, and a unit: {}", time_units),
                    [&to](const std::string& text) { return parse_time(text, to); });
  }

  key_reader bandwidth(const std::string& name, double& to) {
    return quantity(name,
                    "10 Gbit/s",
                    fmt::format("a number and a unit: {}", bandwidth_units),
                    [&to](const std::string& text) { return parse_bandwidth(text, to); });
  }

  key_reader share(const std::string& name, double& to) {
    auto text = quantity(name,
                         "1 %",
                         "a share of messages: \"1 %\" or 0.01",
                         [&to](const std::string& said) { return parse_share(said, to); });
    return {name, [read = std::move(text.read), &to](const toml::node& n) {
              if (const auto number = n.value<double>(); number && n.is_number())
                to = *number;
              else
                read(n);
            }};
  }

  key_reader table(const std::string& name,
                   const std::function<void(const toml::table&)>& read_it) {
    return {name, [=, this](const toml::node& n) {
              if (const auto* t = n.as_table()) return read_it(*t);
              add(n.source(),
                  name + " is one table",
                  "keys and values under a heading",
                  n.is_array() && name == "node" ? "[[nodes]]" : fmt::format("[{}]", name));
            }};
  }

  key_reader tables(const std::string& name,
                    const std::function<void(const toml::table&)>& read_it) {
    return {name, [=, this](const toml::node& n) {
              const auto* all = n.as_array();
              const auto one = [&](const toml::node& t) {
                if (const auto* found = t.as_table()) return read_it(*found);
                add(t.source(),
                    name + " are tables",
                    "each with keys and values under a heading of its own",
                    fmt::format("[[{}]]", name));
              };
              if (all == nullptr || all->empty()) {
                add(n.source(),
                    name + " are tables",
                    "each with keys and values under a heading of its own",
                    fmt::format("[[{}]]", name));
                return;
              }
              for (const auto& t : *all)
                one(t);
            }};
  }

  std::vector<key_reader> node_keys(node_model& to) {
    return {
        whole("cores", 1, INT_MAX, [&to](auto n) { to.cores = int(n); }),
        quantity("speed",
                 "2x slower",
                 "how many times slower or faster",
                 [&to](const std::string& text) { return parse_slowness(text, to.slowness); }),
        bandwidth("port", to.bytes_per_second),
        quantity("memory",
                 "8 GB",
                 fmt::format("a number and a unit: {}", byte_units),
                 [&to](const std::string& text) { return parse_bytes(text, to.memory_bytes); })};
  }

  void read_node(const toml::table& from) {
    auto keys = node_keys(model().node);
    keys.push_back(whole("count", 1, nodes_max, [&](auto n) { to_.nodes = int(n); }));
    read_keys(from, keys);
  }

  std::vector<key_reader> link_keys(link_model& to) {
    return {time("latency", "100 us", to.latency),
            bandwidth("bandwidth", to.bytes_per_second),
            time("jitter", "20 us", to.jitter),
            share("loss", to.loss),
            time("timeout", "50 ms", to.resend_after),
            share("duplicates", to.duplicates)};
  }

  void read_racks(const toml::table& from) {
    auto& racks = model().racks;
    read_keys(from,
              {whole("nodes", 1, nodes_max, [&](auto n) { racks.nodes = int(n); }),
               bandwidth("bandwidth", racks.bytes_per_second),
               time("latency", "2 us", racks.latency)});
  }

  void read_some_nodes(const toml::table& from) {
    std::vector<int> numbers;
    const auto one = whole("node", 0, nodes_max, [&](auto n) { numbers.push_back(int(n)); });
    auto own = model().node;
    auto keys = node_keys(own);
    keys.push_back({"node", [&](const toml::node& n) {
                      const auto* list = n.as_array();
                      if (list == nullptr) return one.read(n);
                      for (const auto& number : *list)
                        one.read(number);
                    }});
    const auto wrong_before = wrong_.size();
    read_keys(from, keys);
    if (numbers.empty() && wrong_.size() == wrong_before)
      add(from.source(),
          "nodes without a number",
          "which ones are so?",
          "node = 3, or node = [3, 4]");
    for (const int number : numbers)
      model().nodes[number] = own;
  }

  void read_some_links(const toml::table& from) {
    std::vector<std::pair<int, int>> ends;
    auto own = model().link;
    auto keys = link_keys(own);
    keys.push_back(quantity(
        "between", "0->1", "\"0->1\" is one direction, \"0-1\" both", [&](const std::string& text) {
          return parse_ends(text, ends);
        }));
    const auto wrong_before = wrong_.size();
    read_keys(from, keys);
    if (ends.empty() && wrong_.size() == wrong_before)
      add(from.source(), "links without ends", "which ones are so?", "between = \"0-1\"");
    for (const auto& pair : ends)
      model().links[pair] = own;
  }

  // When, and one verb of the command line's events.
  void read_event(const toml::table& from) {
    injected_fault when;
    std::vector<std::pair<std::string, const toml::node*>> said;
    std::chrono::nanoseconds at{0}, lasts{0};
    std::vector<key_reader> keys = {
        time("at", "30 ms", at),
        time("for", "2 s", lasts),
        whole("step", 0, INT64_MAX, [&](auto n) { when.step = n; }),
        quantity("rate", "2/s", "how often, at random times", [&](const std::string& text) {
          return parse_rate(text, when.per_second.emplace());
        })};
    for (const auto& verb : fault_verbs())
      keys.push_back({verb, [&said, verb](const toml::node& n) { said.emplace_back(verb, &n); }});
    read_keys(from, keys);
    if (from.contains("at")) when.at = at;
    if (from.contains("for")) when.lasts = lasts;
    check_event(from, said);
    for (const auto& [verb, object] : said)
      read_object(when, verb, *object);
  }

  void check_event(const toml::table& from,
                   const std::vector<std::pair<std::string, const toml::node*>>& said) {
    const auto* object = said.size() == 1 ? said.front().second->as_string() : nullptr;
    const bool has_point = object != nullptr && object->get().find('@') != std::string::npos;
    int moments = has_point ? 1 : 0;
    for (const char* key : {"at", "step", "rate"})
      moments += from.contains(key) ? 1 : 0;
    if (moments == 0)
      add(from.source(),
          "an event without a time",
          "since the start, in a simulation virtual; or a step, or a rate",
          "at = \"30 ms\"");
    if (moments > 1)
      add(from.source(),
          "an event with two moments",
          "at, step, rate, or the fault point of a kill",
          "an [[event]] of its own for each");
    if (said.empty())
      add(from.source(),
          "an event in which nothing happens",
          choice_text(fault_verbs()) + " can",
          "kill = \"layer_shard/1\"");
    if (said.size() > 1)
      add(said[1].second->source(),
          fmt::format("an event with two verbs: {} and {}", said[0].first, said[1].first),
          "one thing happens in each; several may have the same time",
          fmt::format("an [[event]] of its own for {}", said[1].first));
  }

  void read_object(const injected_fault& when, const std::string& verb, const toml::node& n) {
    const auto* number = n.as_integer();
    const auto* text = n.as_string();
    if (number == nullptr && text == nullptr)
      return add(n.source(),
                 verb + " says to whom",
                 "a node's number, or the words of --event",
                 fmt::format("{} = 1", verb));
    const auto object = number != nullptr ? std::to_string(number->get()) : text->get();
    try {
      if (verb == "kill" && object.find('@') != std::string::npos) {
        const auto point = parse_fault_point(object, where(n.source()));
        faults_.push_back({.what = kill_fault{point.who}, .point = point});
        return;
      }
      for (const fault& f : parse_faults(verb, object, where(n.source())))
        keep(when, f, where(n.source()));
    } catch (const error& e) {
      wrong_.emplace_back(std::pair(n.source().begin.line, n.source().begin.column), e.text());
    }
  }

  void keep(const injected_fault& when, const fault& what, const std::string& where) {
    const auto repair = repair_of(what);
    if (when.lasts && !repair)
      throw error({.what = fmt::format("'{}' does not last", troupe::text(what)),
                   .where = where,
                   .why = "what can be repaired lasts: pause, slow, cut and fill-disk",
                   .help = "leave `for` out"});
    if (when.at) {
      model().faults.push_back({*when.at, what, where});
      if (when.lasts) model().faults.push_back({*when.at + *when.lasts, *repair, where});
      return;
    }
    faults_.push_back(when);
    faults_.back().what = what;
  }

  const std::string& name_;
  simulated_cluster& to_;
  std::vector<injected_fault>& faults_;
  std::vector<const toml::table*> some_nodes_, some_links_;
  std::vector<std::pair<std::pair<std::uint32_t, std::uint32_t>, error_text>> wrong_;
};

} // namespace

void read_scenario(const std::string& text,
                   const std::string& name,
                   simulated_cluster& to,
                   std::vector<injected_fault>& faults,
                   std::vector<error_text>& wrong) {
  try {
    const auto file = toml::parse(text, name);
    scenario_reader reader(name, to, faults);
    reader.read(file);
    for (auto& w : reader.wrong())
      wrong.push_back(std::move(w));
  } catch (const toml::parse_error& e) {
    wrong.push_back(
        {.what = std::string(e.description()),
         .where = fmt::format("{}:{}:{}", name, e.source().begin.line, e.source().begin.column),
         .why = "the file is not TOML from here on",
         .help = "text stands in quotes: at = \"30 ms\""});
  }
}

void read_faults(const std::string& text,
                 const std::string& name,
                 std::vector<injected_fault>& faults,
                 std::vector<error_text>& wrong) {
  simulated_cluster passed_over;
  read_scenario(text, name, passed_over, faults, wrong);
  for (const timed_fault& f : passed_over.model.faults)
    faults.push_back({.what = f.what, .at = f.when});
}

std::string faults_file(const std::vector<injected_fault>& faults) {
  std::string out;
  for (const injected_fault& f : faults) {
    out += out.empty() ? "[[event]]\n" : "\n[[event]]\n";
    if (f.at)
      out += fmt::format("at = \"{:.6f} ms\"\n",
                         std::chrono::duration<double, std::milli>(*f.at).count());
    if (f.step) out += fmt::format("step = {}\n", *f.step);
    if (f.per_second) out += fmt::format("rate = \"{:.10g}/s\"\n", *f.per_second);
    if (f.lasts)
      out += fmt::format("for = \"{:.6f} ms\"\n",
                         std::chrono::duration<double, std::milli>(*f.lasts).count());
    const auto [verb, object] = words_of(f.what);
    out += fmt::format("{} = \"{}\"\n", verb, f.point ? troupe::text(*f.point) : object);
  }
  return out;
}

} // namespace troupe::cli
