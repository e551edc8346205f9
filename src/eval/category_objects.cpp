#include "eval/category_objects.h"

#include <algorithm>

#include "eval/coco_images.h"

namespace rcnn::eval {

bool within(double area, const AreaRange& range) {
  return area >= range.min && area <= range.max;
}

CategoryObjects::CategoryObjects(const CocoMapOptions& options)
    : options_(options), outcomes_(options.areas.size()) {
  for (const double threshold : options.iou_thresholds) ious_.push_back(std::min(threshold, kAlmostOne));
  lowest_iou_ = *std::min_element(ious_.begin(), ious_.end());
  all_ = ~Thresholds{0} >> (64 - ious_.size());
}

void CategoryObjects::set(std::span<const CocoTruth* const> truths) {
  truths_ = truths;
  const size_t areas = options_.areas.size();
  taken_.assign(truths.size() * areas, 0);
  ignored_.clear();
  counting_.assign(areas, 0);
  for (const auto* truth : truths) {
    for (size_t a = 0; a < areas; ++a) {
      const bool ignored = truth->crowd || !within(truth->area, options_.areas[a]);
      ignored_.push_back(ignored);
      counting_[a] += !ignored;
    }
  }
}

std::span<const Outcome> CategoryObjects::match(const CocoDetection& detection, Image image) {
  find_candidates(detection, image);
  const double area = detection.box[2] * detection.box[3];
  for (size_t a = 0; a < outcomes_.size(); ++a) {
    Outcome& outcome = outcomes_[a];
    outcome = candidates_.empty() ? Outcome{} : take(a);
    if (!within(area, options_.areas[a])) outcome.ignored |= all_ & ~outcome.matched;
  }
  return outcomes_;
}

/// In the order in which a detection wants them: by falling IoU, among equal ones the last first, as
/// pycocotools goes on to an object that is no worse.
void CategoryObjects::find_candidates(const CocoDetection& detection, Image image) {
  candidates_.clear();
  for (size_t object = image.first; object < image.first + image.count; ++object) {
    const double iou = coco_iou(detection, *truths_[object]);
    if (iou < lowest_iou_) continue;
    Thresholds reached = 0;
    for (size_t t = 0; t < ious_.size(); ++t) reached |= Thresholds{!(iou < ious_[t])} << t;
    const auto place = std::find_if(candidates_.begin(), candidates_.end(),
                                    [&](const Candidate& other) { return other.iou <= iou; });
    candidates_.insert(place, {object, iou, reached});
  }
}

Outcome CategoryObjects::take(size_t a) {
  Outcome outcome;
  Thresholds open = all_;
  for (const bool ignored : {false, true}) {  // what counts goes before what does not
    for (const auto& [object, iou, reached] : candidates_) {
      const size_t cell = object * options_.areas.size() + a;
      if ((ignored_[cell] != 0) != ignored) continue;
      const CocoTruth& truth = *truths_[object];
      const Thresholds takes = reached & open & (truth.crowd ? all_ : ~taken_[cell]);
      open &= ~takes;
      taken_[cell] |= takes;
      if (ignored) outcome.ignored |= takes;
      if (truth.id != 0) outcome.matched |= takes;
    }
  }
  return outcome;
}

}  // namespace rcnn::eval
