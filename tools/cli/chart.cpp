#include "cli/chart.hpp"

#include "troupe/xml_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <utility>

namespace troupe::cli {

namespace {

// In the picture's units, about pixels.
constexpr double width = 560, plot_height = 260, right = 26, top = 34, below = 48;
constexpr double line_left = 76, bar_row = 22, letter = 6.8, letter_height = 16, gap = 10;
constexpr std::size_t bars_max = 40, marks_named_max = 4;
constexpr int ticks_wanted = 5;

// Told apart by colour-blind readers, too, and seen on white and on black.
constexpr std::array<const char*, 8> colours{
    "#3b82c4", "#e0803a", "#2f9e6e", "#c05fa3", "#8d6cc9", "#b0892b", "#d0525a", "#5f7f8c"};
constexpr std::array<const char*, 4> dashes{"", "7 3", "2 3", "9 3 2 3"};

double width_of(const std::string& text) {
  return letter * static_cast<double>(text.size());
}

std::string shortened(const std::string& text, double room) {
  if (width_of(text) <= room) return text;
  const auto letters = static_cast<std::size_t>(std::max(1.0, room / letter - 2));
  return text.substr(0, letters) + "..";
}

std::string label(double x, double y, const std::string& text, const char* anchor = "start") {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n",
                     x,
                     y,
                     anchor,
                     xml_text(text));
}

// From a value to a place between `from` and `to`.
class scale {
public:
  scale(const chart_axis& axis, double least, double most, double from, double to)
      : logarithmic_(axis.logarithmic && least > 0), from_(from), to_(to) {
    ticks_ = logarithmic_ ? logarithmic_ticks(least, most, axis.binary ? 2 : 10, 2 * ticks_wanted)
                          : linear_ticks(std::min(0.0, least), most, ticks_wanted);
    low_ = raised(ticks_.front());
    high_ = raised(ticks_.back());
  }

  [[nodiscard]] double operator()(double value) const {
    const double part = (raised(value) - low_) / (high_ - low_);
    return from_ + std::clamp(part, 0.0, 1.0) * (to_ - from_);
  }

  [[nodiscard]] const std::vector<double>& ticks() const { return ticks_; }

private:
  [[nodiscard]] double raised(double value) const {
    if (!logarithmic_) return value;
    return value > 0 ? std::log(value) : low_;
  }

  bool logarithmic_;
  double from_, to_, low_ = 0, high_ = 1;
  std::vector<double> ticks_;
};

struct extent {
  double least = 0, most = 1;
};

template <class Value>
extent extent_of(const chart& c, Value value) {
  extent out;
  bool any = false;
  for (const auto& line : c.lines)
    for (const auto& p : line.points) {
      const double v = value(p);
      out.least = any ? std::min(out.least, v) : v;
      out.most = any ? std::max(out.most, v) : v;
      any = true;
    }
  return out;
}

struct drawing {
  std::string shapes;
  double height = 0;
};

// Names one after the other, in as many rows as they need.
class legend {
public:
  explicit legend(double y) : y_(y) {}

  void add(const std::string& name, const std::string& sample) {
    const std::string shown = shortened(name, width - line_left - 60);
    const double needed = 30 + width_of(shown) + 14;
    if (x_ > line_left && x_ + needed > width - right) {
      x_ = line_left;
      y_ += letter_height;
    }
    out_ += fmt::format("<g transform=\"translate({:.1f} {:.1f})\">{}</g>\n", x_, y_ - 4, sample);
    out_ += label(x_ + 28, y_, shown);
    x_ += needed;
    used_ = true;
  }

  [[nodiscard]] double bottom() const { return used_ ? y_ + 8 : y_ - letter_height; }

  [[nodiscard]] const std::string& shapes() const { return out_; }

private:
  double x_ = line_left, y_;
  bool used_ = false;
  std::string out_;
};

std::string stroke_of(const chart_line& line, std::size_t number) {
  if (line.dashed) return "class=\"ideal\" stroke-dasharray=\"4 4\"";
  const auto* dash = dashes[number / colours.size() % dashes.size()];
  return fmt::format("fill=\"none\" stroke=\"{}\" stroke-width=\"2\"{}",
                     colours[number % colours.size()],
                     *dash == '\0' ? "" : fmt::format(" stroke-dasharray=\"{}\"", dash));
}

std::string x_ticks(const chart_axis& axis, const scale& x, double from, double to) {
  std::string out;
  double free_from = 0; // labels do not touch
  for (const double tick : x.ticks()) {
    const double at = x(tick);
    out += fmt::format("<path class=\"grid\" d=\"M{0:.1f} {1:.1f}V{2:.1f}\"/>\n", at, from, to);
    const auto text = tick_text(tick, axis.unit);
    const double half = width_of(text) / 2;
    if (at - half < free_from || at + half > width) continue;
    out += label(at, to + 16, text, "middle");
    free_from = at + half + letter;
  }
  return out;
}

std::string y_ticks(const chart_axis& axis, const scale& y) {
  std::string out;
  for (const double tick : y.ticks()) {
    out += fmt::format(
        "<path class=\"grid\" d=\"M{:.1f} {:.1f}H{:.1f}\"/>\n", line_left, y(tick), width - right);
    out += label(line_left - 6, y(tick) + 4, tick_text(tick, axis.unit), "end");
  }
  return out;
}

std::string marks_of(const chart& c, const scale& x, double bottom) {
  std::string out;
  double free_from = 0;
  std::size_t named = 0;
  for (const auto& m : c.marks) {
    const double at = x(m.x);
    out +=
        fmt::format("<path class=\"mark\" d=\"M{:.1f} {:.1f}V{:.1f}\"><title>{}</title></path>\n",
                    at,
                    top,
                    bottom,
                    xml_text(m.name));
    if (c.marks.size() > marks_named_max || named == marks_named_max || at < free_from ||
        at + width_of(m.name) > width)
      continue;
    out += label(at + 3, top + 11, m.name);
    free_from = at + 3 + width_of(m.name) + letter;
    ++named;
  }
  return out;
}

std::string line_of(const chart_line& line, std::size_t number, const scale& x, const scale& y) {
  std::string points, dots;
  for (const auto& p : line.points) {
    points += fmt::format("{}{:.1f},{:.1f}", points.empty() ? "" : " ", x(p.x), y(p.y));
    if (!line.dashed && line.points.size() <= 40)
      dots += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"2.6\" fill=\"{}\"/>\n",
                          x(p.x),
                          y(p.y),
                          colours[number % colours.size()]);
  }
  return fmt::format("<polyline points=\"{}\" {}/>\n", points, stroke_of(line, number)) + dots;
}

drawing lines_of(const chart& c) {
  const double bottom = top + plot_height;
  auto wide = extent_of(c, [](const chart_point& p) { return p.x; });
  const auto high = extent_of(c, [](const chart_point& p) { return p.y; });
  for (const auto& m : c.marks)
    wide.most = std::max(wide.most, m.x);
  const scale x(c.x, wide.least, wide.most, line_left, width - right);
  const scale y(c.y, high.least, high.most, bottom, top);
  std::string out = x_ticks(c.x, x, top, bottom) + y_ticks(c.y, y) + marks_of(c, x, bottom);
  legend names(bottom + below + letter_height);
  std::size_t number = 0;
  for (const auto& line : c.lines) {
    out += line_of(line, number, x, y);
    const auto sample = fmt::format("<path d=\"M0 0h22\" {}/>", stroke_of(line, number));
    if (!line.name.empty()) names.add(line.name, sample);
    if (!line.dashed) ++number;
  }
  if (!c.marks.empty()) names.add(c.marks_name, "<path class=\"mark\" d=\"M11 -6v12\"/>");
  out += label((line_left + width - right) / 2, bottom + 36, c.x.title, "middle");
  out += fmt::format("<text transform=\"translate(14 {:.1f}) rotate(-90)\" "
                     "text-anchor=\"middle\">{}</text>\n",
                     (top + bottom) / 2,
                     xml_text(c.y.title));
  return {out + names.shapes(), names.bottom() + gap};
}

std::string value_text(const chart_bar& b, const std::string& unit) {
  const auto rounded = [&](double value) {
    return tick_text(value >= 1000 ? std::round(value) : std::stod(fmt::format("{:.3g}", value)),
                     unit);
  };
  return rounded(b.value) + (b.most > b.value ? " to " + rounded(b.most) : "");
}

drawing bars_of(const chart& c) {
  const std::size_t shown = std::min(c.bars.size(), bars_max);
  double left = 40, most = 0, told = 0;
  for (std::size_t i = 0; i < shown; ++i) {
    told = std::max(told, width_of(value_text(c.bars[i], c.x.unit)));
    left = std::max(left, width_of(c.bars[i].name) + 18);
    most = std::max({most, c.bars[i].value, c.bars[i].most});
  }
  left = std::min(left, width * 0.4);
  const double bottom = top + bar_row * static_cast<double>(std::max<std::size_t>(shown, 1)) + 4;
  chart_axis plain = c.x;
  plain.logarithmic = false;
  const scale x(plain, 0, most, left, width - 12 - told);
  std::string out = x_ticks(plain, x, top, bottom);
  for (std::size_t i = 0; i < shown; ++i) {
    const auto& b = c.bars[i];
    const double y = top + 4 + bar_row * static_cast<double>(i);
    out += fmt::format("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{}\" "
                       "fill=\"{}\"/>\n",
                       left,
                       y,
                       std::max(0.5, x(b.value) - left),
                       bar_row - 6,
                       colours[0]);
    const double end = std::max(b.value, b.most);
    if (b.most > b.value)
      out += fmt::format(
          "<path class=\"mark\" d=\"M{:.1f} {:.1f}H{:.1f}\"/>\n", x(b.value), y + 8, x(b.most));
    out += label(left - 8, y + 12, shortened(b.name, left - 14), "end");
    out += label(x(end) + 5, y + 12, value_text(b, c.x.unit));
  }
  out += label((left + width - right) / 2, bottom + 36, c.x.title, "middle");
  const auto rest = c.bars.size() - shown;
  if (rest > 0) out += label(left, bottom + 52, fmt::format("and {} more", rest));
  return {out, bottom + below + (rest > 0 ? letter_height : 0)};
}

constexpr const char* style =
    "<style>text{font:11.5px sans-serif;fill:#24292f}.title{font-weight:bold}"
    ".page{fill:#ffffff}.grid{stroke:#8c959f;stroke-opacity:.28}"
    ".mark{stroke:#d0525a;stroke-width:1.3;fill:none}"
    ".ideal{stroke:#8c959f;stroke-width:1.3;fill:none}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.page{fill:#0d1117}}</style>\n";

} // namespace

std::string svg(const std::vector<chart>& charts, int columns) {
  columns = std::clamp(columns, 1, std::max(1, static_cast<int>(charts.size())));
  std::string shapes;
  double y = 0, row_height = 0;
  for (std::size_t i = 0; i < charts.size(); ++i) {
    const auto column = static_cast<int>(i) % columns;
    if (column == 0) {
      y += std::exchange(row_height, 0);
    }
    const auto drawn = charts[i].bars.empty() ? lines_of(charts[i]) : bars_of(charts[i]);
    row_height = std::max(row_height, drawn.height);
    shapes += fmt::format("<g transform=\"translate({:.0f} {:.0f})\">\n"
                          "<text class=\"title\" x=\"14\" y=\"20\">{}</text>\n{}</g>\n",
                          width * column,
                          y,
                          xml_text(shortened(charts[i].title, width - 20)),
                          drawn.shapes);
  }
  return fmt::format("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:.0f} {1:.0f}\" "
                     "width=\"{0:.0f}\" height=\"{1:.0f}\" role=\"img\">\n{2}"
                     "<rect class=\"page\" width=\"{0:.0f}\" height=\"{1:.0f}\"/>\n{3}</svg>\n",
                     width * columns,
                     y + row_height,
                     style,
                     shapes);
}

} // namespace troupe::cli
