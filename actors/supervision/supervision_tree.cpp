#include "actors/supervision/supervision_tree.hpp"

#include <fmt/format.h>

#include <map>
#include <utility>

namespace troupe {

namespace {

using std::chrono::milliseconds;

std::string text_of(milliseconds t) {
  return t.count() % 1000 == 0 ? fmt::format("{} s", t.count() / 1000)
                               : fmt::format("{} ms", t.count());
}

std::string facts_of(const supervisor_spec& s) {
  return fmt::format(
      "{}, each {}, all {}", word_of(s.strategy), troupe::text(s.of_each), troupe::text(s.of_all));
}

std::string facts_of(const child_spec& c) {
  std::string out = fmt::format("{}, state: {}", word_of(c.restart), word_of(c.state));
  if (!c.group.empty()) out += fmt::format(", group {}", c.group);
  if (c.start_within.count() > 0) out += fmt::format(", ready in {}", text_of(c.start_within));
  if (c.progress_within != child_spec{}.progress_within)
    out += c.progress_within.count() == 0
               ? ", never taken for stuck"
               : fmt::format(", stuck after {}", text_of(c.progress_within));
  return out;
}

void add_text(std::string& out, const supervisor_spec& s, int depth) {
  for (const child_spec& c : s.children) {
    out += fmt::format("{:{}}{:<{}}  {}\n",
                       "",
                       2 * depth,
                       c.id,
                       28 - 2 * depth,
                       c.below ? facts_of(*c.below) : facts_of(c));
    if (c.below) add_text(out, *c.below, depth + 1);
  }
}

class checking {
public:
  explicit checking(const supervision_tree& t) {
    check(t.budget, "the tree");
    check(t.root, "the root");
    if (actors_ == 0)
      add("the tree has no actors", "the root", "it supervises nobody", "give it children");
  }

  std::vector<error_text> wrong;

private:
  void add(std::string what, std::string where, std::string why, std::string help) {
    wrong.push_back({std::move(what), std::move(where), std::move(why), std::move(help)});
  }

  void check(const restart_intensity& i, const std::string& where) {
    if (i.failures < 0)
      add(fmt::format("{} failures cannot be borne", i.failures),
          where,
          "0 or more can: with 0 the first one is too many",
          ".failures = 10");
    if (i.window.count() < 1)
      add(fmt::format("failures cannot be counted over {} ms", i.window.count()),
          where,
          "a window is 1 ms or more",
          ".window = 60s");
  }

  void check(const restart_backoff& b, const std::string& where) {
    if (b.first.count() < 0 || b.most < b.first)
      add(fmt::format("a back-off from {} to {} ms does not grow", b.first.count(), b.most.count()),
          where,
          "it doubles from the first delay, 0 or more, to the most",
          ".first = 5ms, .most = 10s");
    if (!(b.jitter >= 0 && b.jitter <= 1))
      add(fmt::format("jitter cannot be {} of the delay", b.jitter),
          where,
          "it is 0 to 1",
          ".jitter = 0.25");
    if (b.in_a_row_max < 0)
      add(fmt::format("{} failures in a row cannot be borne", b.in_a_row_max),
          where,
          "0 or more can: with 0 the first one is too many",
          ".in_a_row_max = 14");
  }

  void check(const supervisor_spec& s, const std::string& where) {
    check(s.of_each, where);
    check(s.of_all, where);
    check(s.backoff, where);
    for (const child_spec& c : s.children)
      check(c, where);
  }

  void check(const child_spec& c, const std::string& above) {
    if (c.id.empty())
      add("a child has no id", above, "it is found by it", ".id = \"reader\"");
    else if (const auto [other, fresh] = above_.try_emplace(c.id, above); !fresh)
      add(fmt::format("{} is supervised twice", c.id),
          above,
          fmt::format("{} has it already", other->second),
          "give each child an id of its own");
    if (c.start_within.count() < 0 || c.stop_within.count() < 0 || c.progress_within.count() < 0)
      add(fmt::format("a deadline of {} has passed before it begins", c.id),
          above,
          "deadlines are 0 or more",
          ".stop_within = 500ms");
    if (!c.below) {
      ++actors_;
    } else if (c.below->children.empty()) {
      add(fmt::format("{} supervises nobody", c.id),
          above,
          "",
          "give it children, or leave it out");
    } else {
      check(*c.below, c.id);
    }
  }

  std::map<std::string, std::string> above_; // by id
  int actors_ = 0;
};

void add_actors(std::vector<const child_spec*>& out, const supervisor_spec& s) {
  for (const child_spec& c : s.children)
    if (c.below)
      add_actors(out, *c.below);
    else
      out.push_back(&c);
}

} // namespace

std::string text(const restart_intensity& i) {
  return fmt::format("{} failures in {}", i.failures, text_of(i.window));
}

const char* word_of(restart_kind kind) {
  constexpr const char* words[] = {"permanent", "transient", "temporary"};
  return words[static_cast<std::size_t>(kind)];
}

const char* word_of(state_source source) {
  constexpr const char* words[] = {
      "none", "from peers", "from a replica", "from a checkpoint", "its own, cannot be restarted"};
  return words[static_cast<std::size_t>(source)];
}

const char* word_of(strategy_kind strategy) {
  constexpr const char* words[] = {"one for one", "rest for one", "one for all", "group by key"};
  return words[static_cast<std::size_t>(strategy)];
}

child_spec supervisor_of(std::string id, supervisor_spec spec) {
  return {.id = std::move(id), .below = std::make_shared<const supervisor_spec>(std::move(spec))};
}

std::string supervision_tree::text() const {
  std::string out =
      fmt::format("root{:26}{}; in all {}\n", "", facts_of(root), troupe::text(budget));
  add_text(out, root, 1);
  return out;
}

std::vector<error_text> mistakes_of(const supervision_tree& t) {
  return checking(t).wrong;
}

std::vector<const child_spec*> actors_of(const supervision_tree& t) {
  std::vector<const child_spec*> out;
  add_actors(out, t.root);
  return out;
}

} // namespace troupe
