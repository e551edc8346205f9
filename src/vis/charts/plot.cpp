#include <algorithm>
#include <array>
#include <utility>

#include <c10/util/Exception.h>
#include <spdlog/fmt/fmt.h>

#include <rcnn/vis/charts/plot.h>

#include "vis/charts/svg_axes.h"
#include "vis/charts/svg_plot.h"
#include "vis/report/html.h"

namespace rcnn::vis {
namespace {

constexpr double kLetter = 7;  // as wide as one of a text, on average
constexpr double kTitleRoom = 30, kLegendRoom = 22;

/// Of a picture that no page gives its style; without variables and color-mix, which only browsers know.
constexpr const char* kDocumentStyle =
    "text{font:12px sans-serif;fill:#40464d}"
    "text.x{text-anchor:middle}text.y,text.left{text-anchor:end}text.title{font-size:16px;fill:#1c2128}"
    ".paper{fill:#fff}.axes line{stroke:#e0e4e9}.axes .fine{stroke:#f1f3f5}.frame{fill:none;stroke:#8d96a0}"
    "polyline,.sample{fill:none;stroke-width:2;stroke-linejoin:round}"
    ".faint polyline,.sample.faint{stroke-width:1.2;opacity:.55}.faint circle{opacity:.55}"
    ".mark circle{fill:#fff;stroke:#1c2128;stroke-width:2}"
    ".mark text{fill:#1c2128}.mark .halo{stroke:#fff;stroke-width:4;stroke-linejoin:round}";

/// The looks of a page's curves, see report.css: colour and dashes.
constexpr std::array<std::pair<const char*, const char*>, kCurveLooks> kLooks = {
    {{"#0072b2", "none"},
     {"#d55e00", "7 3"},
     {"#00875f", "2.5 2.5"},
     {"#a83c86", "9 3 2 3"},
     {"#8a6d00", "12 4"},
     {"#6a4fb3", "5 2 1.5 2 1.5 2"},
     {"#b3261e", "4 4"},
     {"#5b6570", "1.5 4"}}};

std::string document_style(size_t curves) {
  std::string style = kDocumentStyle;
  for (size_t i = 0; i < std::min(curves, kCurveLooks); ++i) {
    const auto& [colour, dashes] = kLooks[i];
    style +=
        fmt::format(".{0} polyline,.sample.{0}{{stroke:{1};stroke-dasharray:{2}}}.{0} circle{{fill:{1}}}",
                    look_of(i), colour, dashes);
  }
  return "<style>" + style + "</style>\n";
}

/// A ring with its label beside it, on the side where there is room.
std::string mark_at(const SvgPoint& at, const std::string& label, const SvgRect& frame) {
  constexpr double kRing = 5.5, kBeside = 11;
  const bool fits_right = at.x + kBeside + kLetter * static_cast<double>(label.size()) < frame.right();
  const bool fits_above = at.y - 2 * kBeside > frame.y;
  const auto text =
      fmt::format("x=\"{:.6g}\" y=\"{:.5g}\">{}</text>", fits_right ? at.x + kBeside : at.x - kBeside,
                  fits_above ? at.y - kBeside : at.y + 2 * kBeside, escaped(label));
  const auto* side = fits_right ? "right" : "left";
  // Under the text a halo, so that it can be read on top of curves.
  return fmt::format(
      "<g class=\"mark\"><circle cx=\"{:.6g}\" cy=\"{:.5g}\" r=\"{}\"/><text class=\"halo {}\" {}<text "
      "class=\"{}\" "
      "{}</g>\n",
      at.x, at.y, kRing, side, text, side, text);
}

/// The names of the curves in one line above the frame, where it covers nothing.
std::string document_legend(std::span<const Curve> curves, const SvgRect& frame) {
  constexpr double kSample = 28, kGap = 8;
  std::string legend;
  double x = frame.x;
  const double y = frame.y - kLegendRoom / 2;
  for (size_t i = 0; i < curves.size(); ++i) {
    if (curves[i].name.empty()) continue;
    legend += fmt::format(
        "<line class=\"sample {}{}\" x1=\"{:.5g}\" x2=\"{:.5g}\" y1=\"{:.5g}\" y2=\"{:.5g}\"/><text "
        "x=\"{:.5g}\" "
        "y=\"{:.5g}\">{}</text>\n",
        look_of(i), curves[i].faint ? " faint" : "", x, x + kSample, y, y, x + kSample + kGap, y + 4,
        escaped(curves[i].name));
    x += kSample + kGap + kLetter * static_cast<double>(curves[i].name.size()) + 3 * kGap;
  }
  return legend;
}

}  // namespace

std::string plot(std::span<const Curve> curves, const PlotOptions& options, std::span<const Mark> marks) {
  const auto [height, width] = options.size;
  TORCH_CHECK(height >= 200 && width >= 300, "plot: expected a size of 200 x 300 at least, got ", height,
              " x ", width);
  const auto values = shown_values(curves, marks, options.log_x);
  const double title = options.title.empty() ? 0 : kTitleRoom;
  const bool has_legend = std::ranges::any_of(curves, [](const Curve& curve) { return !curve.name.empty(); });
  const SvgAxes axes(Axis(values.x, options.log_x), Axis(values.y, false), options,
                     title + (has_legend ? kLegendRoom : 0));
  auto [drawing, description] = svg_curves(curves, axes);
  for (const auto& [x, y, label] : marks) {
    if (!is_shown(x, y)) continue;
    drawing += mark_at(axes.place(x, y), label, axes.frame());
    description += fmt::format("{}: {:.4g} at {:.6g}. ", label, y, x);
  }
  if (!options.title.empty()) {
    drawing +=
        fmt::format("<text class=\"x title\" x=\"{:.5g}\" y=\"{:.5g}\">{}</text>\n",
                    axes.frame().x + axes.frame().width / 2, 0.75 * kTitleRoom, escaped(options.title));
  }
  drawing += document_legend(curves, axes.frame());
  return axes.picture(
      drawing, description,
      fmt::format("xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\"", width, height),
      document_style(curves.size()) + "<rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n");
}

}  // namespace rcnn::vis
