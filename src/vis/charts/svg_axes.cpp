#include "vis/charts/svg_axes.h"

#include <algorithm>

#include <spdlog/fmt/fmt.h>

#include "vis/report/html.h"

namespace rcnn::vis {
namespace {

constexpr double kDigit = 8;      // as wide as one of a tick's label, at most
constexpr double kTextLine = 18;  // as high
constexpr double kAxisGap = 6;
constexpr int kYTicks = 6;
constexpr int kPerXTick = 80;  // of the width

}  // namespace

SvgAxes::SvgAxes(Axis x, Axis y, const PlotOptions& options, double head)
    : x_(std::move(x)), y_(std::move(y)), options_(options) {
  size_t digits = 1;
  for (const auto& tick : y_.ticks(kYTicks)) digits = std::max(digits, tick.label.size());
  frame_.x = kAxisGap + kDigit * static_cast<double>(digits) + (options_.y_label.empty() ? 0 : kTextLine);
  frame_.y = kAxisGap + head;
  frame_.width = static_cast<double>(options_.size.width) - frame_.x - 3 * kAxisGap;
  frame_.height = static_cast<double>(options_.size.height) - frame_.y - kTextLine -
                  (options_.x_label.empty() ? kAxisGap : kTextLine + kAxisGap);
}

SvgPoint SvgAxes::place(double x, double y) const {
  return {frame_.x + x_.place(x) * frame_.width, frame_.y + (1 - y_.place(y)) * frame_.height};
}

std::string SvgAxes::grid() const {
  std::string svg = "<g class=\"axes\">";
  for (const auto& tick : x_.ticks(static_cast<int>(options_.size.width) / kPerXTick)) {
    const double x = frame_.x + tick.place * frame_.width;
    svg += fmt::format("<line{3} x1=\"{0:.4g}\" x2=\"{0:.4g}\" y1=\"{1:.4g}\" y2=\"{2:.4g}\"/>", x, frame_.y,
                       frame_.bottom(), tick.label.empty() ? " class=\"fine\"" : "");
    if (tick.label.empty()) continue;
    svg += fmt::format("<text class=\"x\" x=\"{:.4g}\" y=\"{:.4g}\">{}</text>", x,
                       frame_.bottom() + kTextLine - 3, tick.label);
  }
  for (const auto& tick : y_.ticks(kYTicks)) {
    const double y = frame_.bottom() - tick.place * frame_.height;
    svg += fmt::format("<line x1=\"{0:.4g}\" x2=\"{1:.4g}\" y1=\"{2:.4g}\" y2=\"{2:.4g}\"/>", frame_.x,
                       frame_.right(), y);
    svg += fmt::format("<text class=\"y\" x=\"{:.4g}\" y=\"{:.4g}\">{}</text>", frame_.x - kAxisGap, y + 4,
                       tick.label);
  }
  svg += fmt::format("<path class=\"frame\" d=\"M{0:.4g} {1:.4g}V{2:.4g}H{3:.4g}\"/>", frame_.x, frame_.y,
                     frame_.bottom(), frame_.right());
  if (!options_.x_label.empty()) {
    svg += fmt::format("<text class=\"x name\" x=\"{:.4g}\" y=\"{}\">{}</text>", frame_.x + frame_.width / 2,
                       options_.size.height - 4, escaped(options_.x_label));
  }
  if (!options_.y_label.empty()) {
    svg += fmt::format("<text class=\"x name\" transform=\"translate(13 {:.4g}) rotate(-90)\">{}</text>",
                       frame_.y + frame_.height / 2, escaped(options_.y_label));
  }
  return svg + "</g>";
}

std::string SvgAxes::picture(const std::string& drawing, const std::string& description,
                             const std::string& attributes, const std::string& ground) const {
  return fmt::format(
      "<svg{}{} viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\" data-frame=\"{:.4g} {:.4g} {:.4g} "
      "{:.4g}\" data-x=\"{:.9g} {:.9g}\" data-y=\"{:.9g} {:.9g}\"{}><desc>{}</desc>\n{}{}\n{}</svg>\n",
      attributes.empty() ? "" : " ", attributes, options_.size.width, options_.size.height,
      escaped(options_.title), frame_.x, frame_.y, frame_.width, frame_.height, x_.value(0), x_.value(1),
      y_.value(0), y_.value(1), options_.log_x ? " data-log=\"\"" : "", escaped(description), ground, grid(),
      drawing);
}

std::string SvgAxes::figure(const std::string& drawing, const std::string& description,
                            const std::string& legend) const {
  return fmt::format("<figure class=\"chart\"><figcaption>{}</figcaption>\n{}{}</figure>\n",
                     escaped(options_.title), picture(drawing, description), legend);
}

}  // namespace rcnn::vis
