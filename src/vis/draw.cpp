#include <spdlog/fmt/fmt.h>

#include <rcnn/vis/draw.h>

#include "vis/canvas.h"

namespace rcnn::vis {

at::Tensor draw_detections(const at::Tensor& image, std::span<const Detection> detections,
                           const std::vector<Category>& categories) {
  constexpr const char* kName = "draw_detections";
  for (const Detection& d : detections) check_box(d.box, d.label, categories.size(), kName);
  at::Tensor result = image.clone(at::MemoryFormat::Contiguous);
  cv::Mat canvas = canvas_of(result, kName);
  if (canvas.empty()) return result;

  const Style style(canvas);
  // Labels after all boxes, so that no line crosses a text; the first box, the best, on top, and its label
  // with the first choice of a place.
  for (auto d = detections.rbegin(); d != detections.rend(); ++d) {
    draw_frame(canvas, pixels_of(d->box, canvas), style.line, class_colour(d->label));
  }
  std::vector<cv::Rect> strips;
  for (const Detection& d : detections) {
    const std::string text = fmt::format("{} {:.2f}", in_ascii(categories[d.label - 1].name), d.score);
    const cv::Rect box = pixels_of(d.box, canvas);
    auto label = place_label(canvas, text, box, style);
    if (!label) continue;
    const auto place = free_place(canvas, label->strip, box, strips);
    if (!place) continue;
    label->strip = *place;
    strips.push_back(*place);
    draw_label(canvas, *label, class_colour(d.label));
  }
  return result;
}

}  // namespace rcnn::vis
