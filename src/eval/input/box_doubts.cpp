#include "eval/input/box_doubts.h"

#include <algorithm>
#include <unordered_map>

#include <spdlog/fmt/fmt.h>

#include "eval/coco/coco_iou.h"

namespace rcnn::eval {
namespace {

/// [x1, y1, x2, y2] as [x, y, width, height].
CocoBox from_corners(const CocoBox& box) {
  return {box[0], box[1], box[2] - box[0], box[3] - box[1]};
}

/// Whether a box reaches out of its image by more than a tenth of it, which no rounding or padding explains.
bool far_outside(const CocoBox& box, const ImageSize& size) {
  if (size.width <= 0 || size.height <= 0) return false;
  const auto out = [](double start, double length, int64_t side) {
    const double slack = 0.1 * static_cast<double>(side);
    return start < -slack || start + length > static_cast<double>(side) + slack;
  };
  return out(box[0], box[2], size.width) || out(box[1], box[3], size.height);
}

/// What is odd about some boxes, each looked at alone.
struct Counts {
  size_t all = 0, empty = 0, thin = 0, outside = 0, like_corners = 0;

  template <class Item>
  Counts(std::span<const Item> items, std::span<const uint32_t> places,
         const std::vector<CocoListedImage>& images)
      : all(items.size()) {
    for (size_t i = 0; i < items.size(); ++i) {
      const auto& box = items[i].box;
      empty += box[2] <= 0 || box[3] <= 0;
      thin += box[2] < 1 || box[3] < 1 || (box[2] == 1 && box[3] == 1);
      outside += far_outside(box, images[places[i]].size);
      like_corners += box[2] > box[0] && box[3] > box[1];
    }
  }

  void describe(const char* what, const char* whats, std::vector<std::string>& warnings) const {
    if (all == 0) return;
    if (thin == all) {
      warnings.push_back(
          fmt::format("the boxes of all {} {} are thinner than a pixel; a bbox is [x, y, width, height] in "
                      "pixels, not in shares of the image",
                      all, whats));
      return;
    }
    if (empty > 0)
      warnings.push_back(fmt::format("{} of {} {} have no width or no height", empty, all, whats));
    if (outside > 0) {
      warnings.push_back(
          fmt::format("{} of {} {} reach out of their images by more than a tenth; a bbox is [x, y, width, "
                      "height] in pixels of the image that the {} are of",
                      outside, all, whats, what));
    }
  }
};

/// How well a sample of the detections overlaps the objects of their images, the boxes read in some way.
class Overlaps {
 public:
  Overlaps(std::span<const CocoTruth> truths, std::span<const uint32_t> truth_images,
           std::span<const CocoDetection> detections, std::span<const uint32_t> detection_images) {
    constexpr size_t kSample = 1000;
    const size_t step = detections.size() / kSample + 1;
    for (size_t i = 0; i < detections.size(); i += step) {
      pairs_.push_back({detections[i].box, detection_images[i]});
      truths_[detection_images[i]];
    }
    for (size_t i = 0; i < truths.size(); ++i) {
      const auto found = truths_.find(truth_images[i]);
      if (found != truths_.end() && !truths[i].crowd) found->second.push_back(truths[i].box);
    }
  }

  /// The mean of the best IoU of each detection.
  template <class Detection, class Truth>
  double mean(Detection read_detection, Truth read_truth) const {
    double sum = 0;
    for (const auto& [box, image] : pairs_) {
      double best = 0;
      for (const auto& truth : truths_.at(image))
        best = std::max(best, coco_iou(read_detection(box), read_truth(truth)));
      sum += best;
    }
    return pairs_.empty() ? 0 : sum / static_cast<double>(pairs_.size());
  }

 private:
  std::vector<std::pair<CocoBox, uint32_t>> pairs_;
  std::unordered_map<uint32_t, std::vector<CocoBox>> truths_;
};

}  // namespace

std::vector<std::string> box_doubts(const std::vector<CocoListedImage>& images,
                                    std::span<const CocoTruth> truths, std::span<const uint32_t> truth_images,
                                    std::span<const CocoDetection> detections,
                                    std::span<const uint32_t> detection_images) {
  std::vector<std::string> warnings;
  const Counts of_truths(truths, truth_images, images), of_detections(detections, detection_images, images);
  of_truths.describe("annotations", "annotations", warnings);
  of_detections.describe("results", "results", warnings);

  // Corners taken for sizes: every box is then larger than its distance from the image's corner.
  const bool maybe_truths = of_truths.like_corners == of_truths.all;
  const bool maybe_detections = of_detections.like_corners == of_detections.all;
  if (truths.empty() || detections.empty() || (!maybe_truths && !maybe_detections)) return warnings;
  constexpr double kClearly = 0.1;
  const auto as_it_is = [](const CocoBox& box) { return box; };
  const Overlaps overlaps(truths, truth_images, detections, detection_images);
  const double now = overlaps.mean(as_it_is, as_it_is);
  const double other_detections = maybe_detections ? overlaps.mean(from_corners, as_it_is) : 0;
  const double other_truths = maybe_truths ? overlaps.mean(as_it_is, from_corners) : 0;
  const double then = std::max(other_detections, other_truths);
  if (then > now + kClearly) {
    warnings.push_back(
        fmt::format("the boxes of the {} look like [x1, y1, x2, y2]: read so, results overlap objects by "
                    "{:.2f} in the mean "
                    "(IoU), and by {:.2f} as they are scored; a bbox is [x, y, width, height]",
                    other_detections >= other_truths ? "results" : "annotations", then, now));
  }
  return warnings;
}

}  // namespace rcnn::eval
