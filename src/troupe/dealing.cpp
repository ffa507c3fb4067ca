#include "troupe/dealing.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe {

std::vector<error_text> mistakes_of(const dealing& d, const std::string& where) {
  std::vector<error_text> out;
  if (!d.balance && d.backups == 0) return out;
  const auto refuse =
      [&](bool wrong, const char* whom, const char* option, const char* why, const char* help) {
        if (wrong)
          out.push_back({.what = fmt::format("the shares of {} are not dealt step by step", whom),
                         .where = fmt::format("{}, {}", where, option),
                         .why = why,
                         .help = fmt::format("leave {} out, or {}", where, help)});
      };
  refuse(d.as_they_come,
         "workers",
         "--consistency",
         "each step is one worker's, and a slow one holds nobody up",
         "use --consistency bsp");
  refuse(d.stashes_weights,
         "stages that stash weights",
         "--stash-weights",
         "their steps overlap",
         "leave --stash-weights out");
  refuse(d.groups,
         "groups",
         "--groups",
         "the aggregators of a group add the sums of the same microbatches in every step",
         "leave --groups out");
  refuse(d.islands,
         "islands",
         "--islands",
         "what an island computes is part of the job",
         "leave --islands out");
  refuse(d.keeps_residuals,
         "replicas with error feedback",
         "--compress",
         "what a codec left out of a microbatch is kept beside who computed it",
         "use fp16, bf16 or int8");
  return out;
}

std::vector<error_text> dealing_mistakes_of(const wiring& w) {
  const auto& codec = w.job.compression;
  return mistakes_of(dealing{.balance = w.balance_shares,
                             .backups = w.backups(),
                             .as_they_come = w.order.as_they_come(),
                             .stashes_weights = w.stash_weights,
                             .groups = std::any_of(w.roles.begin(),
                                                   w.roles.end(),
                                                   [](const auto& r) { return r.group != 0; }),
                             .islands = w.job.outer.islands > 0,
                             .keeps_residuals = codec && codec->has_residual()},
                     w.balance_shares ? "balance_shares" : "backup");
}

share_dealer_options dealt_by(const wiring& w) {
  share_dealer_options out{
      .backups = static_cast<std::size_t>(w.backups()), .balance = w.balance_shares, .units = {}};
  if (!w.deals_shares()) return out;
  std::vector<replica_share> backups;
  for (const auto& role : w.roles) {
    if (role.where.role != role_kind::layer_shard) continue;
    auto& list = role.backup ? backups : out.wired;
    const auto known = [&](const replica_share& s) { return s.replica == role.where.replica; };
    if (std::none_of(list.begin(), list.end(), known))
      list.push_back(
          {role.where.replica, tree_span{role.microbatches.first, role.microbatches.count}});
  }
  std::sort(out.wired.begin(), out.wired.end(), [](const auto& a, const auto& b) {
    return a.run < b.run;
  });
  out.wired.insert(out.wired.end(), backups.begin(), backups.end());
  out.units = w.job.compression ? compressed_nodes(w.job) : tree_nodes(w.job.microbatches, 1);
  return out;
}

} // namespace troupe
