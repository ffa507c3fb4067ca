#include "actors/runtime/missing_nodes.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

namespace troupe {

void missing_nodes::update(std::vector<std::uint32_t> missing, duration now) {
  if (missing.empty()) was_complete_ = true;
  if (missing_.empty() && !missing.empty()) {
    since_ = now;
    next_ = now + options_.first_word;
  }
  missing_ = std::move(missing);
}

missing_nodes::duration missing_nodes::waited(duration now) const {
  return missing_.empty() ? duration(0) : now - since_;
}

missing_nodes::duration missing_nodes::pause(duration now) const {
  return std::max(next_ - now, duration(std::chrono::milliseconds(1)));
}

std::string missing_nodes::due(duration now, const std::string& trouble) {
  if (missing_.empty() || now < next_) return {};
  const auto advice_at = since_ + options_.advice_after;
  const bool advises = now >= advice_at;
  next_ = now + options_.every;
  if (!advises) next_ = std::min(next_, advice_at);
  std::string out = options_.me == 0
                        ? fmt::format("waiting for {} of {} nodes: {}",
                                      missing_.size(),
                                      options_.nodes,
                                      fmt::join(missing_, ", "))
                        : fmt::format("waiting for node 0 at {}", options_.coordinator);
  if (!trouble.empty()) out += "; " + trouble;
  if (advises) out += "\n    help: " + help();
  return out;
}

std::string missing_nodes::help() const {
  if (options_.me > 0)
    return "is node 0 running, and does it listen there? A firewall or another TROUPE_COORDINATOR "
           "would look like this";
  return fmt::format("is its process running? From its machine: troupe node --join {} --number {} "
                     "-- DRIVER",
                     options_.coordinator,
                     missing_.front());
}

error_text missing_nodes::failure(duration patience, const std::string& trouble) const {
  const auto seconds = std::chrono::duration<double>(patience).count();
  return {
      .what =
          options_.me == 0
              ? fmt::format("{} of {} nodes are missing: {}",
                            missing_.size(),
                            options_.nodes,
                            fmt::join(missing_, ", "))
              : fmt::format("node {} cannot reach node 0 at {}", options_.me, options_.coordinator),
      .where = {},
      .why = fmt::format("waited for {:.0f} s{}", seconds, trouble.empty() ? "" : "; " + trouble),
      .help = help(),
      .kind = error_kind::environment};
}

} // namespace troupe
