// Charts as SVG: lines or bars over two axes, readable on light and on dark screens.
#pragma once

#include <string>
#include <vector>

namespace troupe::cli {

struct chart_axis {
  std::string title;
  bool logarithmic = false; // of values above 0
  bool binary = false;      // ticks of a logarithmic axis are powers of 2 instead of 10
  std::string unit;         // behind each tick: "%", "s" (then with milli, micro ...)
};

struct chart_point {
  double x = 0, y = 0;
};

struct chart_line {
  std::string name; // in the legend; empty: not there
  std::vector<chart_point> points;
  bool dashed = false; // a thin grey one, to compare with
};

struct chart_bar {
  std::string name;
  double value = 0;
  double most = 0; // a thin line on it up to there; 0: none
};

struct chart_mark { // a vertical line
  double x = 0;
  std::string name;
};

// Either lines or bars.
struct chart {
  std::string title;
  chart_axis x, y;
  std::vector<chart_line> lines;
  std::vector<chart_bar> bars; // from top to bottom; the values are on the x axis
  std::vector<chart_mark> marks;
  std::string marks_name; // of all of them, in the legend
};

// Side by side in so many columns.
std::string svg(const std::vector<chart>& charts, int columns = 1);

// From below the least to above the most: multiples of 1, 2 or 5 times a power of ten, about
// `wanted` of them.
std::vector<double> linear_ticks(double least, double most, int wanted);
// Powers of `base`, with some left out where they are more than `wanted`.
std::vector<double> logarithmic_ticks(double least, double most, double base, int wanted);

// "250 us" with the unit "s", "50 %", "1k", "0.2".
std::string tick_text(double value, const std::string& unit);

} // namespace troupe::cli
