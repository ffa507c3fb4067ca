// What keeps a schedule from running. First the form: each (part, microbatch) has one forward and
// one backward, whole or in halves, on the stage of the part and in this order. Then the lists are
// run without time. Where they get stuck every unfinished stage waits for another unfinished one
// (or itself): following them leads into a cycle, which is told.
#include "troupe/schedule.hpp"
#include "troupe/schedule_walk.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace troupe {

namespace {

constexpr std::size_t mistakes_max = 20;

std::string shown(const schedule& s, const schedule_op& op) {
  return text(op, s.parts == s.stages ? op.part : -1);
}

// Where the operations of one (part, microbatch) stand in their stage's list, by op_kind; 0:
// absent.
using places = std::array<std::size_t, 4>;

class form_check {
public:
  explicit form_check(const schedule& s)
      : schedule_(s), found_(static_cast<std::size_t>(s.parts) * s.microbatches) {}

  std::vector<error_text> mistakes() {
    for (std::size_t stage = 0; stage < schedule_.per_stage.size(); ++stage)
      for (std::size_t i = 0; i < schedule_.per_stage[stage].size(); ++i)
        add(static_cast<int>(stage), i + 1, schedule_.per_stage[stage][i]);
    for (int part = 0; part < schedule_.parts; ++part)
      for (std::uint32_t m = 0; m < schedule_.microbatches; ++m)
        check(part, m);
    return std::move(out_);
  }

private:
  void add(int stage, std::size_t place, const schedule_op& op) {
    const int right = op.part % schedule_.stages;
    const auto where = fmt::format("stage {}, operation {}", stage, place);
    if (op.part < 0 || op.part >= schedule_.parts)
      return tell(fmt::format("{}: there is no part {}", text(op), op.part),
                  where,
                  fmt::format("the schedule has parts 0 to {}", schedule_.parts - 1),
                  "change the part, or the number of parts");
    if (op.microbatch >= schedule_.microbatches)
      return tell(fmt::format("{}: there is no microbatch {}", shown(schedule_, op), op.microbatch),
                  where,
                  fmt::format("the schedule has microbatches 0 to {}", schedule_.microbatches - 1),
                  "change the microbatch, or the number of microbatches");
    if (right != stage)
      return tell(
          fmt::format("{} is on the wrong stage", text(op)),
          where,
          fmt::format(
              "part {} runs on stage {} % {} = {}", op.part, op.part, schedule_.stages, right),
          fmt::format("move it to stage {}", right));
    auto& known = of(op)[static_cast<std::size_t>(op.kind)];
    if (known != 0)
      return tell(fmt::format("{} is there twice", shown(schedule_, op)),
                  where,
                  fmt::format("it is also operation {}", known),
                  "remove one of them");
    known = place;
  }

  void check(int part, std::uint32_t m) {
    const auto [forward, whole, input, weights] = of({op_kind::forward, part, m});
    const auto name = [&](op_kind kind) { return shown(schedule_, {kind, part, m}); };
    const auto f = name(op_kind::forward), b = name(op_kind::backward),
               i = name(op_kind::backward_input), w = name(op_kind::backward_weights);
    const auto where = fmt::format("stage {}", part % schedule_.stages);
    const auto pair = fmt::format("microbatch {} of part {}", m, part);
    if (forward == 0) tell(pair + " has no forward", where, "", fmt::format("add {}", f));
    if (whole == 0 && input == 0 && weights == 0)
      return tell(
          pair + " has no backward", where, "", fmt::format("add {}, or {} and {}", b, i, w));
    if (whole != 0 && (input != 0 || weights != 0))
      return tell(pair + " has more than one backward",
                  where,
                  fmt::format("{} is both {} and {}", b, i, w),
                  fmt::format("remove {}, or its halves", b));
    if (whole == 0 && input == 0)
      tell(pair + " has no gradient of its inputs",
           where,
           "",
           fmt::format("add {} before {}", i, w));
    if (whole == 0 && weights == 0)
      tell(pair + " has no gradient of its weights",
           where,
           "",
           fmt::format("add {} after {}", w, i));
    in_order(forward, f, whole, b, where);
    in_order(forward, f, input, i, where);
    in_order(input, i, weights, w, where);
  }

  void in_order(std::size_t first,
                const std::string& first_name,
                std::size_t second,
                const std::string& second_name,
                const std::string& where) {
    if (first == 0 || second == 0 || first < second) return;
    tell(fmt::format("{} comes before {}", second_name, first_name),
         where,
         fmt::format("they are operations {} and {} of its list", second, first),
         fmt::format("put {} after {}", second_name, first_name));
  }

  void tell(std::string what, std::string where, std::string why, std::string help) {
    if (out_.size() < mistakes_max)
      out_.push_back({std::move(what), std::move(where), std::move(why), std::move(help)});
  }

  places& of(const schedule_op& op) {
    return found_[static_cast<std::size_t>(op.part) * schedule_.microbatches + op.microbatch];
  }

  const schedule& schedule_;
  std::vector<places> found_;
  std::vector<error_text> out_;
};

// A stage that cannot go on, and the operation of another stage that would let it.
struct wait {
  std::size_t stage;
  std::size_t place; // in its list
  std::size_t other;
  std::size_t other_place;
  bool edge_full; // the input is there, but no room for the output
};

wait wait_of(const schedule& s, const std::vector<std::size_t>& next, std::size_t stage) {
  const auto& op = s.per_stage[stage][next[stage]];
  const auto behind = [&](int part, const auto& wanted) -> std::optional<wait> {
    const auto other = static_cast<std::size_t>(part % s.stages);
    const auto& list = s.per_stage[other];
    for (auto i = next[other]; i < list.size(); ++i)
      if (wanted(list[i])) return wait{stage, next[stage], other, i, false};
    return {};
  };
  if (const auto need = detail::needed_by(s, op))
    if (const auto found =
            behind(need->part, [&](const auto& o) { return detail::gives(o, *need); }))
      return *found;
  auto full = behind(op.part + 1, [&](const auto& o) {
    return o.kind == op_kind::forward && o.part == op.part + 1;
  });
  full->edge_full = true;
  return *full;
}

std::vector<wait> cycle_of(const schedule& s, const std::vector<std::size_t>& next) {
  std::size_t stage = 0;
  while (next[stage] == s.per_stage[stage].size())
    ++stage;
  std::vector<wait> out;
  const auto known = [&] {
    return std::find_if(out.begin(), out.end(), [&](const wait& w) { return w.stage == stage; });
  };
  while (known() == out.end()) {
    out.push_back(wait_of(s, next, stage));
    stage = out.back().other;
  }
  out.erase(out.begin(), known()); // what led into the cycle
  return out;
}

bool finishes(const schedule& s, const std::vector<std::size_t>& next) {
  for (std::size_t stage = 0; stage < next.size(); ++stage)
    if (next[stage] != s.per_stage[stage].size()) return false;
  return true;
}

std::vector<std::size_t> walk(const schedule& s, int credit) {
  return detail::walk(s, credit, [](auto, auto) {});
}

// The move of one operation that ends the deadlock, among those that the cycle suggests.
std::string
cure_of(const schedule& s, const std::vector<std::size_t>& next, const std::vector<wait>& cycle) {
  for (const auto& w : cycle) {
    auto changed = s;
    auto& list = changed.per_stage[w.other];
    const auto to = list.begin() + static_cast<std::ptrdiff_t>(next[w.other]);
    const auto from = list.begin() + static_cast<std::ptrdiff_t>(w.other_place);
    std::rotate(to, from, from + 1);
    if (form_check(changed).mistakes().empty() &&
        finishes(changed, walk(changed, detail::unlimited_credit)))
      return fmt::format("on stage {} put {} before {}",
                         w.other,
                         shown(s, s.per_stage[w.other][w.other_place]),
                         shown(s, s.per_stage[w.other][next[w.other]]));
  }
  return "move what the others wait for further up in its list; `1f1b` has no deadlock";
}

std::string told(const schedule& s, const wait& w) {
  const auto name = [&](std::size_t stage, std::size_t place) {
    return fmt::format("{} (operation {})", shown(s, s.per_stage[stage][place]), place + 1);
  };
  const auto op = name(w.stage, w.place), other = name(w.other, w.other_place);
  if (w.edge_full)
    return fmt::format("stage {} waits with {} until {} of stage {} makes room for its result",
                       w.stage,
                       op,
                       other,
                       w.other);
  return fmt::format("stage {} waits with {} for {} of stage {}", w.stage, op, other, w.other);
}

error_text deadlock(const schedule& s, const std::vector<std::size_t>& next, int credit) {
  const auto cycle = cycle_of(s, next);
  std::vector<std::string> stages, waits;
  for (const auto& w : cycle) {
    stages.push_back(std::to_string(w.stage));
    waits.push_back(told(s, w));
  }
  const bool by_credit = finishes(s, walk(s, detail::unlimited_credit));
  error_text out{
      .what = fmt::format("schedule {} deadlocks", s.name),
      .where = fmt::format("stage{} {}", cycle.size() == 1 ? "" : "s", fmt::join(stages, ", ")),
      .why = fmt::format("{}", fmt::join(waits, "\n  "))};
  if (by_credit) {
    const auto credits = credits_of(s);
    out.what += fmt::format(" with a credit of {}", credit);
    out.help =
        fmt::format("a credit of {} is enough", *std::max_element(credits.begin(), credits.end()));
  } else {
    out.help = cure_of(s, next, cycle);
  }
  return out;
}

// A name goes into files, pictures and lines of a terminal.
bool is_name(const std::string& name) {
  return !name.empty() && name.size() <= 40 && std::all_of(name.begin(), name.end(), [](char c) {
    return c > ' ' && c <= '~' && c != '#';
  });
}

void check_frame(const schedule& s, std::vector<error_text>& out) {
  if (!is_name(s.name))
    out.push_back({.what = "the name of the schedule is not one word",
                   .where = "schedule",
                   .help = "use 1 to 40 letters, digits and signs without '#'"});
  if (out.empty() && s.per_stage.size() != static_cast<std::size_t>(s.stages))
    out.push_back({.what = fmt::format("{} lists for {} stages", s.per_stage.size(), s.stages),
                   .where = fmt::format("schedule {}", s.name),
                   .help = "give each stage its list, if only an empty one"});
}

} // namespace

std::vector<error_text> mistakes_of(const schedule& s) {
  return mistakes_of(s, detail::unlimited_credit);
}

std::vector<error_text> mistakes_of(const schedule& s, int credit) {
  auto out = size_mistakes(s.stages, s.parts, s.microbatches);
  check_frame(s, out);
  if (credit < 1)
    out.push_back({.what = fmt::format("a credit of {} lets nothing through", credit),
                   .where = "credit",
                   .help = "use 1 or more"});
  if (out.empty()) out = form_check(s).mistakes();
  if (!out.empty()) return out;
  const auto next = walk(s, credit);
  if (!finishes(s, next)) out.push_back(deadlock(s, next, credit));
  return out;
}

} // namespace troupe
