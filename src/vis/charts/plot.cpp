#include <algorithm>
#include <array>
#include <cmath>

#include <ATen/ops/empty.h>
#include <c10/util/Exception.h>
#include <opencv2/imgproc.hpp>

#include <rcnn/vis/charts/plot.h>

#include "vis/canvas.h"
#include "vis/charts/axis.h"
#include "vis/charts/plot_values.h"

namespace rcnn::vis {
namespace {

// The picture is drawn twice as large and then reduced: letters of OpenCV's fonts look better so. All sizes
// are of the large one.
constexpr int kReduced = 2;
constexpr int kPlotGap = 16;
constexpr int kTick = 10;
constexpr int kDot = 7;
constexpr int kLegendLine = 48;
constexpr int kFraction = 4;  // bits of a pixel that OpenCV's points have below the integer
constexpr double kTextScale = 0.95, kTitleScale = 1.25;
constexpr int64_t kLeastHeight = 200, kLeastWidth = 300;
const cv::Scalar kPaper(255, 255, 255), kInk(40, 40, 40), kGrid(228, 228, 228), kFaintGrid(243, 243, 243);
const std::array<cv::Scalar, 6> kColours = {
    {{31, 119, 180}, {214, 90, 20}, {44, 140, 60}, {190, 40, 50}, {130, 90, 180}, {120, 85, 70}}};

cv::Scalar mixed_with_paper(const cv::Scalar& colour) {
  return 0.4 * colour + 0.6 * kPaper;
}

cv::Scalar colour_of(size_t curve, bool faint) {
  const auto& colour = kColours[curve % kColours.size()];
  return faint ? mixed_with_paper(colour) : colour;
}

int width_of(const Curve& curve) {
  return curve.faint ? 2 : 4;
}

/// The picture in the making.
class Plot {
 public:
  Plot(std::span<const Curve> curves, std::span<const Mark> marks, const PlotOptions& options)
      : curves_(curves),
        marks_(marks),
        options_(options),
        values_(shown_values(curves, marks, options.log_x)),
        x_(values_.x, options.log_x),
        y_(values_.y, false),
        canvas_(kReduced * static_cast<int>(options.size.height),
                kReduced * static_cast<int>(options.size.width), CV_8UC3, kPaper) {
    y_ticks_ = y_.ticks(6);
    int top = kPlotGap;
    if (!options.title.empty()) top += text(options.title, kTitleScale).height() + kPlotGap;
    if (has_legend()) top += kLegendLine;
    int widest = 0;
    for (const auto& tick : y_ticks_) widest = std::max(widest, text(tick.label).size.width);
    int left = 2 * kPlotGap + widest + kTick, bottom = 2 * kPlotGap + kTick + text("0").height();
    if (!options.x_label.empty()) bottom += text(options.x_label).height() + kPlotGap;
    if (!options.y_label.empty()) left += text(options.y_label).height() + kPlotGap;
    frame_ = cv::Rect(left, top, canvas_.cols - left - 3 * kPlotGap, canvas_.rows - top - bottom);
  }

  cv::Mat draw() {
    draw_axes();
    for (size_t i = 0; i < curves_.size(); ++i) draw_curve(i);
    for (const auto& mark : marks_) draw_mark(mark);
    draw_titles();
    if (has_legend()) draw_legend();
    return canvas_;
  }

 private:
  static Text text(const std::string& words, double scale = kTextScale) { return {as_ascii(words), scale}; }

  bool has_legend() const {
    return std::any_of(curves_.begin(), curves_.end(),
                       [](const Curve& curve) { return !curve.name.empty(); });
  }

  cv::Point2d place(double x, double y) const {
    return {frame_.x + x_.place(x) * frame_.width, frame_.y + (1 - y_.place(y)) * frame_.height};
  }

  static cv::Point fractional(const cv::Point2d& at) {
    return {static_cast<int>(std::lround(at.x * (1 << kFraction))),
            static_cast<int>(std::lround(at.y * (1 << kFraction)))};
  }

  void draw_axes() {
    const int right = frame_.x + frame_.width, bottom = frame_.y + frame_.height;
    for (const auto& tick : x_.ticks(8)) {
      const int x = frame_.x + static_cast<int>(std::lround(tick.place * frame_.width));
      cv::line(canvas_, {x, frame_.y}, {x, bottom}, tick.label.empty() ? kFaintGrid : kGrid, 2);
      cv::line(canvas_, {x, bottom}, {x, bottom + (tick.label.empty() ? kTick / 2 : kTick)}, kInk, 2);
      const auto label = text(tick.label);
      draw_text(canvas_, label, {x - label.size.width / 2, bottom + kTick + kPlotGap / 2}, kInk);
    }
    for (const auto& tick : y_ticks_) {
      const int y = bottom - static_cast<int>(std::lround(tick.place * frame_.height));
      cv::line(canvas_, {frame_.x, y}, {right, y}, kGrid, 2);
      cv::line(canvas_, {frame_.x - kTick, y}, {frame_.x, y}, kInk, 2);
      const auto label = text(tick.label);
      draw_text(canvas_, label,
                {frame_.x - kTick - kPlotGap / 2 - label.size.width, y - label.size.height / 2}, kInk);
    }
    cv::rectangle(canvas_, frame_, kInk, 2);
  }

  void draw_curve(size_t index) {
    const auto& curve = curves_[index];
    const auto colour = colour_of(index, curve.faint);
    std::vector<cv::Point> line;
    const auto finish = [&] {
      if (line.size() == 1) {
        cv::circle(canvas_, line.front(), kDot << kFraction, colour, cv::FILLED, cv::LINE_AA, kFraction);
      } else {
        cv::polylines(canvas_, line, false, colour, width_of(curve), cv::LINE_AA, kFraction);
      }
      line.clear();
    };
    for (size_t i = 0; i < curve.x.size(); ++i) {
      if (is_shown(curve.x[i], curve.y[i])) {
        line.push_back(fractional(place(curve.x[i], curve.y[i])));
      } else if (!line.empty()) {
        finish();
      }
    }
    if (!line.empty()) finish();
  }

  /// A ring with its label beside it, on the side where there is room.
  void draw_mark(const Mark& mark) {
    if (!is_shown(mark.x, mark.y)) return;
    const auto at = place(mark.x, mark.y);
    const auto centre = fractional(at);
    constexpr int kRing = 11;
    cv::circle(canvas_, centre, kRing << kFraction, kPaper, cv::FILLED, cv::LINE_AA, kFraction);
    cv::circle(canvas_, centre, kRing << kFraction, kInk, 5, cv::LINE_AA, kFraction);
    if (mark.label.empty()) return;
    const auto label = text(mark.label);
    const int beside = kRing + kPlotGap;
    const bool fits_right = at.x + beside + label.size.width < frame_.x + frame_.width;
    const bool fits_above = at.y - beside - label.height() > frame_.y;
    const cv::Point corner(static_cast<int>(fits_right ? at.x + beside : at.x - beside - label.size.width),
                           static_cast<int>(fits_above ? at.y - beside - label.height() : at.y + beside));
    auto halo = label;  // so that it can be read on top of curves
    halo.thickness += 8;
    draw_text(canvas_, halo, corner, kPaper);
    draw_text(canvas_, label, corner, kInk);
  }

  void draw_titles() {
    const int middle = frame_.x + frame_.width / 2;
    const auto title = text(options_.title, kTitleScale), x_label = text(options_.x_label);
    draw_text(canvas_, title, {middle - title.size.width / 2, kPlotGap}, kInk);
    draw_text(canvas_, x_label, {middle - x_label.size.width / 2, canvas_.rows - kPlotGap - x_label.height()},
              kInk);
    if (options_.y_label.empty()) return;
    // OpenCV writes from left to right alone.
    const auto y_label = text(options_.y_label);
    cv::Mat strip(y_label.height() + kPlotGap, y_label.size.width + kPlotGap, CV_8UC3, kPaper);
    draw_text(strip, y_label, {kPlotGap / 2, kPlotGap / 2}, kInk);
    cv::rotate(strip, strip, cv::ROTATE_90_COUNTERCLOCKWISE);
    const cv::Rect target(kPlotGap / 2, frame_.y + (frame_.height - strip.rows) / 2, strip.cols, strip.rows);
    const cv::Rect seen = target & cv::Rect(0, 0, canvas_.cols, canvas_.rows);
    strip(seen - target.tl()).copyTo(canvas_(seen));
  }

  /// One line above the frame, where it covers nothing.
  void draw_legend() {
    constexpr int kSample = 50;
    int x = frame_.x;
    const int y = frame_.y - kLegendLine / 2 - 2;
    for (size_t i = 0; i < curves_.size(); ++i) {
      const auto& curve = curves_[i];
      if (curve.name.empty()) continue;
      cv::line(canvas_, {x, y}, {x + kSample, y}, colour_of(i, curve.faint), width_of(curve) + 2,
               cv::LINE_AA);
      const auto name = text(curve.name);
      draw_text(canvas_, name, {x + kSample + kPlotGap, y - name.size.height / 2}, kInk);
      x += kSample + name.size.width + 4 * kPlotGap;
    }
  }

  const std::span<const Curve> curves_;
  const std::span<const Mark> marks_;
  const PlotOptions& options_;
  const PlotValues values_;
  const Axis x_, y_;
  std::vector<Axis::Tick> y_ticks_;
  cv::Mat canvas_;
  cv::Rect frame_;  // in which the curves lie
};

}  // namespace

at::Tensor plot(std::span<const Curve> curves, const PlotOptions& options, std::span<const Mark> marks) {
  TORCH_CHECK(options.size.height >= kLeastHeight && options.size.width >= kLeastWidth,
              "plot: expected a size of 200 x 300 at least, got ", options.size.height, " x ",
              options.size.width);
  const cv::Mat large = Plot(curves, marks, options).draw();
  const auto picture = at::empty({options.size.height, options.size.width, 3}, at::kByte);
  cv::Mat canvas = canvas_of(picture, "plot");
  cv::resize(large, canvas, canvas.size(), 0, 0, cv::INTER_AREA);
  return picture;
}

}  // namespace rcnn::vis
