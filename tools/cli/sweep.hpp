// A sweep: which settings take which values, and the simulations that come of it.
//   --sweep nodes=2,4,...,1024        from the first two and the last: doubles; 1,2,...,8 counts
//   --sweep "link=10 us, 100 Gbit/s; 1 ms, 1 Gbit/s"
//   --variant "grouped: groups=8; holders=4"
#pragma once

#include "cli/settings.hpp"
#include "ops/error.hpp"

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace troupe::cli {

inline constexpr std::size_t sweep_points_max = 4096;

struct sweep_axis {
  std::string setting;
  std::vector<std::string> values;
  [[nodiscard]] bool is_numeric() const;
};

struct sweep_variant {
  std::string name;
  std::vector<std::pair<std::string, std::string>> settings;
};

// How a job grows where nodes are swept: its batch is that of one node, or of all.
enum class scaling_kind { weak, strong };

struct sweep {
  std::vector<sweep_axis> axes;
  std::vector<sweep_variant> variants;
  scaling_kind scaling = scaling_kind::weak;
  int at_once = 0; // 0: one a core

  [[nodiscard]] bool empty() const { return axes.empty() && variants.empty(); }

  // What a scaling curve is drawn over: the axis of nodes, replicas or stages, else the first
  // numeric one; null: none.
  [[nodiscard]] const sweep_axis* curve_axis() const;
};

// One simulation of a sweep: the number of a variant, where there are some, and a value of each
// axis.
struct sweep_point {
  std::size_t variant = 0;
  std::vector<std::string> values; // in the order of the axes
};

// Throws mistakes: all of them.
sweep sweep_of(const setting_values& values, const setting_list& known);

// Mistakes go to `wrong`.
sweep_axis
parse_sweep(const std::string& text, const setting_list& known, std::vector<error_text>& wrong);
sweep_variant
parse_variant(const std::string& text, const setting_list& known, std::vector<error_text>& wrong);

// "2,4,...,16" -> 2 4 8 16. What has no dots stays. Mistakes go to `wrong`, told at `where`.
std::vector<std::string> continued(std::vector<std::string> values,
                                   const std::string& where,
                                   std::vector<error_text>& wrong);

// Empty where there are no variants.
std::string variant_name(const sweep& s, const sweep_point& at);

// All combinations; the last axis changes fastest.
std::vector<sweep_point> points_of(const sweep& s);

// The settings of one simulation. Throws mistakes where its nodes cannot be spread so.
setting_values values_at(const sweep& s, const sweep_point& at, const setting_values& values);

} // namespace troupe::cli
